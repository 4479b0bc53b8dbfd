/**
 * Refreshes a little before the access token ends, if the page asked for it, so that no call meets the end.
 *
 * What counts is the server's clock at the moment of its answer: the answer's own Date, and where that is hidden from
 * scripts the time at which the token was issued, plus what has passed here since. The device's clock is only ever compared
 * with itself, so it may be a day off; when it jumps, one refresh comes early or none ahead of time.
 */

import type { Environment, Reply } from "./contract.js";
import type { Settings } from "./options.js";
import type { Refresher } from "./refresh.js";
import type { ReadableState } from "./state.js";

/** To be told of every answer of the API. */
export type LookAhead = (reply: Reply) => void;

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly refresher: Refresher;
}

export function createLookAhead({ environment, settings, state, refresher }: Parts): LookAhead {
  const { refreshAheadMs } = settings;
  let last = -Infinity;

  function lookAhead(reply: Reply): void {
    const now = environment.now();
    // Once in that time at most, by any clock: tokens that live shorter than it must not be refreshed all the time.
    if (!refreshAheadMs || !(remaining(reply, now) < refreshAheadMs) || Math.abs(now - last) < refreshAheadMs) return;
    last = now;
    refresher.refresh().catch(() => undefined); // Told as REFRESH_FAILED; the token is good for a while.
  }

  /** How long the access token will live, in milliseconds; not a number if nobody knows. */
  function remaining({ headers }: Reply, now: number): number {
    const { endsAt = NaN, payload } = state.frontToken();
    const sinceIssued = now - Number(state.snapshot().marker);
    return endsAt - (Date.parse(headers.get("date") ?? "") || Number(payload?.["iat"]) * 1000 + sinceIssued);
  }

  return lookAhead;
}
