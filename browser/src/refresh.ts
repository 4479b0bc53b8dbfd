/**
 * Refreshes the session: one flight per tab, however many calls wait for it.
 *
 *   answer                              then
 *   2xx                                 refreshed
 *   session-expired status              ended, unless another tab stored a new session meanwhile
 *   5xx, 408, 425, 429, no answer       tried again after a pause; in the end given up, session kept
 *   any other status                    given up at once, session kept
 *   whichever, but another session      asked once more: the answer may have undone a sign-in, and what the browser
 *   has begun meanwhile                 presents now tells who is signed in
 *
 * A repeated refresh gets the same successor tokens from the server. Therefore an answer that was lost may be asked for
 * again, and two tabs that refresh at once do no harm.
 */

import type { Attempts } from "./attempts.js";
import type { Environment } from "./contract.js";
import { SessionRefreshError } from "./errors.js";
import type { Events } from "./events.js";
import type { Gate } from "./gate.js";
import { callHeaders, sessionHeaders } from "./headers.js";
import {
  MAX_REFRESH_ATTEMPTS,
  NEWS_TRAVEL_MS,
  OFFLINE_PATIENCE_MS,
  REFRESH_TIMEOUT_MS,
  type Settings,
} from "./options.js";
import { type Proving, refusesProof } from "./proofs.js";
import { isTransient, pauseAfter, readRetryAfter } from "./retry.js";
import type { Session } from "./session.js";
import { hasChanged, isAnotherSession, isSameSession, type ReadableState, type Snapshot } from "./state.js";
import type { Tokens } from "./tokens.js";
import { type HoldLock, pause, untilOnline, withTimeout } from "./waiting.js";

export type RefreshOutcome = "refreshed" | "ended";

export interface Refresher {
  /** Refresh, or join the refresh under way. Rejects with `SessionRefreshError` if no decision was reached. */
  refresh(): Promise<RefreshOutcome>;
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
  readonly gate: Gate;
  readonly attempts: Attempts;
  readonly proving: Proving;
}

export function createRefresher(parts: Parts): Refresher {
  const { environment, settings, state, tokens, session, events, gate, attempts, proving } = parts;
  let flight: Promise<RefreshOutcome> | undefined;

  function refresh(): Promise<RefreshOutcome> {
    flight ??= run().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function run(): Promise<RefreshOutcome> {
    const start = state.snapshot();
    await untilOnline(environment, OFFLINE_PATIENCE_MS);
    for (let tries = 1; ; tries += 1) {
      const result = await gate.exclusive((hold) => attempt(start, hold));
      if (typeof result === "string") return result;
      if (!result.mayPass || tries === MAX_REFRESH_ATTEMPTS) throw giveUp(result, tries);
      await pause(environment, pauseAfter(tries, result.retryAfterMs, environment.random()));
    }
  }

  /** Send one refresh, unless another tab has done it while this one waited. */
  async function attempt(start: Snapshot, hold: HoldLock): Promise<RefreshOutcome | Failure> {
    const now = session.observe();
    if (hasChanged(start, now)) return outcomeOf(now);
    const result = (await exchange(now)) ?? (await exchange(session.observe())) ?? outcomeOf(state.snapshot());
    if (typeof result === "string") hold(NEWS_TRAVEL_MS);
    return result;
  }

  /** Request new tokens. The response is ignored if another session has begun in the meantime. */
  async function exchange(start: Snapshot): Promise<RefreshOutcome | Failure | undefined> {
    const isOvertaken = () => start.status === "exists" && isAnotherSession(start, state.snapshot());
    try {
      return await withTimeout(environment, REFRESH_TIMEOUT_MS, async (limit) => {
        // An answer that is not read does not reach the cookies either.
        const forget = events.on("SESSION_CREATED", () => isOvertaken() && limit.abort());
        return judge(await post(start, limit.signal), start).finally(forget);
      });
    } catch (cause) {
      return isOvertaken() ? undefined : { mayPass: true, cause };
    }
  }

  function post(start: Snapshot, signal: AbortSignal): Promise<Response> {
    const credentials = { antiCsrf: state.antiCsrf(), token: tokens.refresh() };
    const own = { ...sessionHeaders(), ...attempts.headers(start) };
    const request = { method: "POST", url: settings.refreshUrl, session: tokens.access() };
    return proving(request, (proof) =>
      environment.fetch(request.url, {
        method: request.method,
        credentials: "include",
        // What the request carries must not follow a redirect to another origin. Where it carries nothing, the server may
        // send it to the path where the cookie was before the endpoint was moved.
        redirect: credentials.antiCsrf || credentials.token ? "error" : "follow",
        headers: callHeaders(own, settings.transfer, { ...credentials, proof }),
        signal,
      }),
    );
  }

  async function judge(response: Response, start: Snapshot): Promise<RefreshOutcome | Failure | undefined> {
    // A redirect may have led to another origin, which must not change the session.
    if (new URL(response.url, settings.apiOrigin).origin !== settings.apiOrigin) return { mayPass: false };
    if (response.status === settings.sessionExpiredStatus || refusesProof(response)) return refused(response, start);
    if (response.ok) return accepted(response, start);
    return {
      mayPass: isTransient(response.status),
      status: response.status,
      retryAfterMs: readRetryAfter(response.headers),
    };
  }

  function accepted(response: Response, start: Snapshot): RefreshOutcome | undefined {
    const now = state.snapshot();
    // Another tab has signed out, and this response brought tokens: treating it as refused removes them again.
    if (start.status === "exists" && now.status === "none") return undefined;
    // In headers an answer concerns the token that was sent; if another tab has stored a newer one, it is outdated.
    if (start.token !== tokens.refresh()) return outcomeOf(now);
    if (isAnotherSession(start, now) && !isSameSession(session.named(response) ?? now, now)) return undefined;
    session.refreshed(response);
    // A key serves until the next one, also a browser that crashed. But a browser that lost its marker may do so again, and
    // would ask for other tokens under the same key.
    if (start.marker === undefined) attempts.forget();
    return outcomeOf(state.snapshot());
  }

  async function refused(response: Response, start: Snapshot): Promise<RefreshOutcome | undefined> {
    const { message, reason, note } = await refusalOf(response);
    const isTheft = message === "token theft detected" || reason === "theft"; // Who came second, and later the other one.
    const isCleared = isTheft || response.headers.get("front-token") === "remove";
    // What another tab has stored may be on its way, and would be overwritten by the end.
    if (start.token) await pause(environment, NEWS_TRAVEL_MS);
    const now = state.snapshot();
    // Somebody signed in while the old session was being refused: the refusal does not concern the new one, unless it came
    // with the removal of cookies, which may have been there before or after the new ones.
    if (hasChanged(start, now) && (start.token || !isCleared)) return outcomeOf(now);
    if (isAnotherSession(start, now) && hasChanged(start, now)) return undefined;
    session.expired(isTheft ? "token-theft" : "refused", textOf(reason), textOf(note));
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

function textOf(said: unknown): string | undefined {
  return typeof said === "string" ? said : undefined;
}

/** What a refusal says; nothing if its body is not that of a refusal. */
async function refusalOf(response: Response): Promise<{ message?: unknown; reason?: unknown; note?: unknown }> {
  try {
    return Object(await response.json());
  } catch {
    return {};
  }
}
