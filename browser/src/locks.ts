/** Locks within one tab, for a browser that has none for all of its tabs. */

import type { SessionLocks } from "./contract.js";

export function createOwnLocks(): SessionLocks {
  let exclusive: Promise<unknown> = Promise.resolve();
  let everything = exclusive;
  return {
    /** In order of asking: who shares waits for the last one that does not, and who does not share for everybody. */
    request(_name, { mode, signal }, holder) {
      const before = mode === "shared" ? exclusive : everything;
      const mine = Promise.race([before, aborted(signal)]).then(holder);
      everything = Promise.allSettled([everything, mine]);
      if (mode !== "shared") exclusive = everything;
      return mine;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
