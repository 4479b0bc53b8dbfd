/**
 * Keeps refreshes apart from calls that may change who is signed in, in this tab and, by a lock, in the others: of two
 * answers that bring cookies the later one stays in the jar, and that must be the sign-in.
 */

import type { Environment } from "./contract.js";
import { createOwnLocks } from "./locks.js";
import { LOCK_PATIENCE_MS, type Settings } from "./options.js";
import { type HoldLock, withLock } from "./waiting.js";

export interface Gate {
  /** Run `task` while no tab refreshes and no such call is on its way, as far as that can be known. */
  exclusive<T>(task: (hold: HoldLock) => Promise<T>): Promise<T>;
  /** Send such a call when no tab refreshes any more. */
  afterRefresh<T>(send: () => Promise<T>): Promise<T>;
  /** Have refreshes wait for the answer of such a call that has left already. */
  holding<T>(answer: Promise<T>): Promise<T>;
}

export function createGate(environment: Environment, settings: Settings): Gate {
  const locks = environment.locks ?? createOwnLocks();
  const name = `reseal-refresh ${settings.refreshUrl}`;

  function holding<T>(answer: Promise<T>): Promise<T> {
    const over = new AbortController();
    const end = () => over.abort(); // Of no effect once the lock is here.
    // Not for longer than a refresh would wait: an upload takes its time.
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

/** Where there are no other tabs, no news has to travel. */
function ignore(): void {}
