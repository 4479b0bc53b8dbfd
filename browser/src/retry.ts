/** Decides how long to pause before a failed refresh is tried again. */

import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, RETRY_AFTER_LIMIT_MS } from "./options.js";

/**
 * The pause after so many `failures` (one or more), in milliseconds. `chance` is from 0 to 1.
 *
 * The whole pause is random, to avoid a thundering herd. Many clients may also get the same Retry-After, so the random
 * part is added to it.
 */
export function pauseAfter(failures: number, retryAfterMs: number | undefined, chance: number): number {
  const ceiling = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
  return Math.min(retryAfterMs ?? 0, RETRY_AFTER_LIMIT_MS) + chance * ceiling;
}

/**
 * The response's Retry-After in milliseconds, if it does not depend on the client's clock: a number of seconds, or a date
 * next to the server's own Date.
 */
export function readRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after") ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const wait = Date.parse(value) - Date.parse(headers.get("date") ?? "");
  return wait >= 0 ? wait : undefined;
}

/** May the same request succeed later, unchanged? */
export function isTransient(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}
