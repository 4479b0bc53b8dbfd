/**
 * Serialises refreshes and calls that may change the signed-in user, in this tab and, by a lock, in the others: of two
 * responses with cookies the browser keeps the later one's, and that must be the sign-in's.
 */

import type { Environment } from "./contract.js";
import { createOwnLocks } from "./locks.js";
import { LOCK_PATIENCE_MS, type Settings } from "./options.js";
import { type HoldLock, withLock } from "./waiting.js";

export interface Gate {
  /** Run `task` while no tab refreshes and no such call is in progress, as far as that can be known. */
  exclusive<T>(task: (hold: HoldLock) => Promise<T>): Promise<T>;
  /** Send such a call once no tab is refreshing. */
  afterRefresh<T>(send: () => Promise<T>): Promise<T>;
  /** Make refreshes wait for the response to such a call that has already been sent. */
  holding<T>(answer: Promise<T>): Promise<T>;
}

export function createGate(environment: Environment, settings: Settings): Gate {
  const locks = environment.locks ?? createOwnLocks();
  const name = `reseal-refresh ${settings.refreshUrl}`;

  function holding<T>(answer: Promise<T>): Promise<T> {
    const over = new AbortController();
    const end = () => over.abort(); // No effect once the lock is granted.
    // Not longer than a refresh would wait: an upload may take long.
    const held = () =>
      new Promise<void>((resolve) => {
        const cancel = environment.setTimer(resolve, LOCK_PATIENCE_MS);
        const release = () => resolve(cancel());
        answer.then(release, release);
      });
    answer.then(end, end);
    locks.request(name, { mode: "shared", signal: over.signal }, held).catch(end);
    return answer;
  }

  return {
    exclusive: (task) => withLock(environment, locks, name, "exclusive", (hold) => task(environment.locks ? hold : ignore)),
    afterRefresh: (send) => withLock(environment, locks, name, "shared", send),
    holding,
  };
}

/** Without other tabs there is no need to hold the lock longer. */
function ignore(): void {}
