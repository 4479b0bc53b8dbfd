import { begin, ready, ways } from "./shared.js";

await begin(() => import("zone.js"));

/** One zone for the page, as Angular has; it tells whether a timer or a request is still open in it. */
window.isBusy = false;
window.wasBusy = 0;
const zone = Zone.current.fork({
  name: "page",
  onHasTask(parent, current, target, state) {
    parent.hasTask(target, state);
    if (current !== target || state.change !== "macroTask") return;
    window.isBusy = state.macroTask;
    if (state.macroTask) window.wasBusy += 1;
  },
});
const inZone = (call) => () => zone.run(call);
ready(Object.fromEntries(Object.entries(ways).map(([name, call]) => [name, inZone(call)])));
