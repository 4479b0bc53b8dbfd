/**
 * Refreshes shortly before the access token expires, if the page enabled it, so that no call is sent with an expired one.
 *
 * Expiry is measured by the server's clock: the response's Date or, if scripts cannot read it, the time at which the token
 * was issued plus the time elapsed here since. The device's clock is only ever compared with itself, so it may be a day
 * off; when it jumps, one refresh comes early or not ahead of time.
 */

import type { Environment, Reply } from "./contract.js";
import type { Settings } from "./options.js";
import type { Refresher } from "./refresh.js";
import type { ReadableState } from "./state.js";

/** Must be called for every response of the API. */
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
    // At most once per interval, by any clock: tokens with a shorter lifetime must not be refreshed constantly.
    if (!refreshAheadMs || !(remaining(reply, now) < refreshAheadMs) || Math.abs(now - last) < refreshAheadMs) return;
    last = now;
    refresher.refresh().catch(() => undefined); // Reported as REFRESH_FAILED; the token is still valid for a while.
  }

  /** The access token's remaining lifetime in milliseconds; NaN if it is unknown. */
  function remaining({ headers }: Reply, now: number): number {
    const { endsAt = NaN, payload, marker } = state.snapshot();
    const sinceIssued = now - Number(marker);
    return endsAt - (Date.parse(headers.get("date") ?? "") || Number(payload?.["iat"]) * 1000 + sinceIssued);
  }

  return lookAhead;
}
