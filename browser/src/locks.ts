/** Locks within one tab, for browsers without locks across tabs. */

import type { SessionLocks } from "./contract.js";

export function createOwnLocks(): SessionLocks {
  let exclusive: Promise<unknown> = Promise.resolve();
  let everything = exclusive;
  return {
    /** First come, first served: a shared request waits for the last exclusive one, an exclusive request for all. */
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
