/** Waiting, always with a limit. */

import type { Environment, SessionLocks } from "./contract.js";
import { LOCK_PATIENCE_MS } from "./options.js";

export function pause(environment: Environment, delayMs: number): Promise<void> {
  return new Promise((resolve) => environment.setTimer(resolve, delayMs));
}

/** Run `task` with a controller that aborts after `limitMs`; the task must obey it, and may abort it earlier. */
export async function withTimeout<T>(
  environment: Environment,
  limitMs: number,
  task: (limit: AbortController) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const cancel = environment.setTimer(() => limit.abort(), limitMs);
  try {
    return await task(limit);
  } finally {
    cancel();
  }
}

/** Wait for shared `work` only until `signal` aborts; then reject as fetch would. The work itself continues. */
export function unlessAborted<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Wait until the browser says it is online, but not longer than `limitMs`: it may be wrong. */
export function untilOnline(environment: Environment, limitMs: number): Promise<void> {
  if (environment.isOnline()) return Promise.resolve();
  return new Promise((resolve) => {
    const forget = environment.onceOnline(() => {
      cancel();
      resolve();
    });
    const cancel = environment.setTimer(() => {
      forget();
      resolve();
    }, limitMs);
  });
}

/** Keep the lock for this many milliseconds after the task. */
export type HoldLock = (holdMs: number) => void;

/**
 * Run `task` while holding the lock `name`. If the lock is not granted in time, or locks do not work here, run it anyway:
 * the lock only saves requests, the server ensures correctness.
 */
export function withLock<T>(
  environment: Environment,
  locks: SessionLocks,
  name: string,
  mode: LockMode,
  task: (hold: HoldLock) => Promise<T>,
): Promise<T> {
  let holdMs = 0;
  return new Promise((resolve, reject) => {
    const patience = new AbortController();
    let hasBegun = false;
    const begin = async (): Promise<void> => {
      if (hasBegun) return; // Granted too late; released at once.
      hasBegun = true;
      cancel();
      await task((more) => (holdMs = more)).then(resolve, reject);
      if (holdMs) await pause(environment, holdMs);
    };
    const cancel = environment.setTimer(() => {
      patience.abort();
      void begin();
    }, LOCK_PATIENCE_MS);
    locks.request(name, { mode, signal: patience.signal }, begin).catch(begin);
  });
}
