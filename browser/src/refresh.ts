/**
 * Refreshes the session: one flight per tab, however many calls wait for it.
 *
 *   answer                              then
 *   2xx                                 refreshed
 *   session-expired status              ended, unless another tab stored a new session meanwhile
 *   5xx, 408, 425, 429, no answer       tried again after a pause; in the end given up, session kept
 *   any other status                    given up at once, session kept
 *
 * A repeated refresh gets the same successor tokens from the server. Therefore an answer that was lost may be asked for
 * again, and two tabs that refresh at once do no harm.
 */

import type { Environment } from "./contract.js";
import { SessionRefreshError } from "./errors.js";
import type { Events } from "./events.js";
import { callHeaders, sessionHeaders } from "./headers.js";
import {
  LOCK_PATIENCE_MS,
  MAX_REFRESH_ATTEMPTS,
  OFFLINE_PATIENCE_MS,
  REFRESH_TIMEOUT_MS,
  type Settings,
} from "./options.js";
import { isTransient, pauseAfter, readRetryAfter } from "./retry.js";
import type { Session } from "./session.js";
import { hasChanged, type ReadableState, type Snapshot } from "./state.js";
import { pause, untilOnline, withLock, withTimeout } from "./waiting.js";

export type RefreshOutcome = "refreshed" | "ended";

export interface Refresher {
  /** Refresh, or join the refresh under way. Rejects with `SessionRefreshError` if no decision was reached. */
  refresh(): Promise<RefreshOutcome>;
  /** Resolve when no refresh is under way, whatever came of it. */
  settled(): Promise<void>;
}

interface Failure {
  readonly mayPass: boolean;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly cause: unknown;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly session: Session;
  readonly events: Events;
}

export function createRefresher({ environment, settings, state, session, events }: Parts): Refresher {
  let flight: Promise<RefreshOutcome> | undefined;

  function refresh(): Promise<RefreshOutcome> {
    flight ??= fly().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function fly(): Promise<RefreshOutcome> {
    const start = state.snapshot();
    await untilOnline(environment, OFFLINE_PATIENCE_MS);
    for (let attempts = 1; ; attempts += 1) {
      const result = await withLock(environment, lockName(settings), LOCK_PATIENCE_MS, () => attempt(start));
      if (typeof result === "string") return result;
      if (!result.mayPass || attempts === MAX_REFRESH_ATTEMPTS) throw giveUp(result, attempts);
      await pause(environment, pauseAfter(attempts, result.retryAfterMs, environment.random()));
    }
  }

  /** Send one refresh, unless another tab has done it while this one waited. */
  async function attempt(start: Snapshot): Promise<RefreshOutcome | Failure> {
    const now = session.observe();
    if (hasChanged(start, now)) return outcomeOf(now);
    try {
      return await withTimeout(environment, REFRESH_TIMEOUT_MS, async (signal) => judge(await post(signal), start));
    } catch (cause) {
      return { mayPass: true, status: undefined, retryAfterMs: undefined, cause };
    }
  }

  function post(signal: AbortSignal): Promise<Response> {
    return environment.fetch(settings.refreshUrl, {
      method: "POST",
      credentials: "include",
      redirect: "error", // The anti-CSRF token must not follow a redirect to another origin.
      headers: callHeaders(sessionHeaders(), state.antiCsrf()),
      signal,
    });
  }

  async function judge(response: Response, start: Snapshot): Promise<RefreshOutcome | Failure> {
    if (response.status === settings.sessionExpiredStatus) return refused(response, start);
    if (response.ok) {
      session.refreshed(response);
      return outcomeOf(state.snapshot());
    }
    return {
      mayPass: isTransient(response.status),
      status: response.status,
      retryAfterMs: readRetryAfter(response.headers),
      cause: undefined,
    };
  }

  async function refused(response: Response, start: Snapshot): Promise<RefreshOutcome> {
    const isTheft = await tellsOfTheft(response);
    const isCleared = response.headers.get("front-token") === "remove";
    const now = state.snapshot();
    // Somebody signed in while the old session was being refused: the refusal does not concern the new one.
    if (!isTheft && !isCleared && hasChanged(start, now)) return outcomeOf(now);
    session.expired(isTheft ? "token-theft" : "refused");
    return "ended";
  }

  function giveUp({ status, cause }: Failure, attempts: number): SessionRefreshError {
    const error = new SessionRefreshError({ attempts, status, cause });
    events.emit("REFRESH_FAILED", { error });
    return error;
  }

  return { refresh, settled: async () => void (await flight?.catch(() => undefined)) };
}

function outcomeOf(now: Snapshot): RefreshOutcome {
  return now.status === "none" ? "ended" : "refreshed";
}

function lockName(settings: Settings): string {
  return `reseal-refresh ${settings.refreshUrl}`;
}

/** Whether the answer says that a token was stolen: to the one who came second, or later to the other one. */
async function tellsOfTheft(response: Response): Promise<boolean> {
  try {
    const body = (await response.json()) as { message?: unknown; reason?: unknown } | null;
    return body?.message === "token theft detected" || body?.reason === "theft";
  } catch {
    return false; // Not the JSON of a refusal.
  }
}
