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
  NEWS_TRAVEL_MS,
  OFFLINE_PATIENCE_MS,
  REFRESH_TIMEOUT_MS,
  type Settings,
} from "./options.js";
import { isTransient, pauseAfter, readRetryAfter } from "./retry.js";
import type { Session } from "./session.js";
import { hasChanged, type ReadableState, type Snapshot } from "./state.js";
import type { Tokens } from "./tokens.js";
import { type Keep, pause, untilOnline, withLock, withTimeout } from "./waiting.js";

export type RefreshOutcome = "refreshed" | "ended";

export interface Refresher {
  /** Refresh, or join the refresh under way. Rejects with `SessionRefreshError` if no decision was reached. */
  refresh(): Promise<RefreshOutcome>;
  /** Run `task` while no tab refreshes, as far as that can be known. */
  alone<T>(task: (keep: Keep) => Promise<T>): Promise<T>;
  /** Resolve when no refresh is under way, whatever came of it. */
  settled(): Promise<void>;
}

interface Failure {
  readonly mayPass: boolean;
  readonly status?: number;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly tokens: Tokens;
  readonly session: Session;
  readonly events: Events;
}

export function createRefresher({ environment, settings, state, tokens, session, events }: Parts): Refresher {
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
      const result = await alone((keep) => attempt(start, keep));
      if (typeof result === "string") return result;
      if (!result.mayPass || attempts === MAX_REFRESH_ATTEMPTS) throw giveUp(result, attempts);
      await pause(environment, pauseAfter(attempts, result.retryAfterMs, environment.random()));
    }
  }

  function alone<T>(task: (keep: Keep) => Promise<T>): Promise<T> {
    return withLock(environment, `reseal-refresh ${settings.refreshUrl}`, LOCK_PATIENCE_MS, task);
  }

  /** Send one refresh, unless another tab has done it while this one waited. */
  async function attempt(start: Snapshot, keep: Keep): Promise<RefreshOutcome | Failure> {
    const now = session.observe();
    if (hasChanged(start, now)) return outcomeOf(now);
    try {
      const result = await withTimeout(environment, REFRESH_TIMEOUT_MS, async (signal) => {
        const response = await post(signal);
        // Another tab signed out meanwhile, and this answer came with tokens: being refused takes them away again.
        const isLate = response.ok && start.status === "exists" && state.snapshot().status === "none";
        return judge(isLate ? await post(signal) : response, start);
      });
      if (settings.transfer === "header" && typeof result === "string") keep(NEWS_TRAVEL_MS);
      return result;
    } catch (cause) {
      return { mayPass: true, cause };
    }
  }

  function post(signal: AbortSignal): Promise<Response> {
    const credentials = { antiCsrf: state.antiCsrf(), token: tokens.refresh() };
    return environment.fetch(settings.refreshUrl, {
      method: "POST",
      credentials: "include",
      redirect: "error", // What the request carries must not follow a redirect to another origin.
      headers: callHeaders(sessionHeaders(), settings.transfer, credentials),
      signal,
    });
  }

  async function judge(response: Response, start: Snapshot): Promise<RefreshOutcome | Failure> {
    if (response.status === settings.sessionExpiredStatus) return refused(response, start);
    if (response.ok) {
      // In headers an answer concerns the token that was sent; if another tab has stored a newer one, it is outdated.
      if (start.token === tokens.refresh()) session.refreshed(response);
      return outcomeOf(state.snapshot());
    }
    return {
      mayPass: isTransient(response.status),
      status: response.status,
      retryAfterMs: readRetryAfter(response.headers),
    };
  }

  async function refused(response: Response, start: Snapshot): Promise<RefreshOutcome> {
    const { message, reason } = await refusalOf(response);
    const isTheft = message === "token theft detected" || reason === "theft"; // Who came second, and later the other one.
    const isCleared = isTheft || response.headers.get("front-token") === "remove";
    // What another tab has stored may be on its way, and would be overwritten by the end.
    if (start.token) await pause(environment, NEWS_TRAVEL_MS);
    const now = state.snapshot();
    // Somebody signed in while the old session was being refused: the refusal does not concern the new one, unless it came
    // with the removal of cookies, which cannot be told apart.
    if (hasChanged(start, now) && (start.token || !isCleared)) return outcomeOf(now);
    session.expired(isTheft ? "token-theft" : "refused", typeof reason === "string" ? reason : undefined);
    return "ended";
  }

  function giveUp({ status, cause }: Failure, attempts: number): SessionRefreshError {
    const error = new SessionRefreshError({ attempts, status, cause });
    events.emit("REFRESH_FAILED", { error });
    return error;
  }

  return { refresh, alone, settled: async () => void (await flight?.catch(() => undefined)) };
}

function outcomeOf(now: Snapshot): RefreshOutcome {
  return now.status === "none" ? "ended" : "refreshed";
}

/** What a refusal says; nothing if its body is not that of a refusal. */
async function refusalOf(response: Response): Promise<{ message?: unknown; reason?: unknown }> {
  try {
    return Object(await response.json());
  } catch {
    return {};
  }
}
