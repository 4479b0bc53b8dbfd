/** Ends the session at the server, then here. */

import type { Caller } from "./calls.js";
import type { Environment, SessionAnswer, SessionCall } from "./contract.js";
import { SignOutError } from "./errors.js";
import { sendable } from "./fetching.js";
import type { Gate } from "./gate.js";
import { sessionHeaders } from "./headers.js";
import { SIGN_OUT_TIMEOUT_MS, type Settings } from "./options.js";
import type { Refresher } from "./refresh.js";
import { readRetryAfter } from "./retry.js";
import type { Session } from "./session.js";
import { hasChanged, isAnotherUser, type ReadableState } from "./state.js";
import { withTimeout } from "./waiting.js";

export interface SignOut {
  signOut(): Promise<void>;
  /** The sign-out in progress, as a promise that never rejects. */
  pending(): Promise<void> | undefined;
  /** Sign out once more, unless a user has signed in: a late response has brought cookies back. */
  again(): Promise<void>;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly session: Session;
  readonly refresher: Refresher;
  readonly caller: Caller;
  readonly gate: Gate;
}

export function createSignOut({ environment, settings, state, session, refresher, caller, gate }: Parts): SignOut {
  let flight: Promise<void> | undefined;
  let removal: Promise<void> | undefined;

  function signOut(): Promise<void> {
    flight ??= end().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function end(): Promise<void> {
    if (session.observe().status === "none") return;
    // A refresh answered after the sign-out would bring a fresh access token back to life in this browser.
    await refresher.settled();
    const { response, verdict } = await ask();
    if (verdict === "replaced") throw new SignOutError({ reason: "another user signed in meanwhile." });
    if (response.status !== settings.sessionExpiredStatus) await requireSuccess(response);
    await session.signedOut();
  }

  /**
   * One refresh is allowed: signing out with an expired access token would otherwise be refused as "no session" and
   * leave the refresh token alive. A refusal after it is as good as a sign-out.
   */
  async function ask(): Promise<SessionAnswer<Response>> {
    try {
      return await withTimeout(environment, SIGN_OUT_TIMEOUT_MS, ({ signal }) =>
        caller.call(request(signal), { maxRepeats: 1, precondition: nothing }),
      );
    } catch (cause) {
      throw new SignOutError({ reason: "it could not be reached.", cause });
    }
  }

  function request(signal: AbortSignal): SessionCall<Response> {
    const init: RequestInit = { method: "POST", headers: sessionHeaders(), redirect: "error", signal };
    const call = sendable({ url: settings.signOutUrl, init }, environment.fetch);
    return { ...call, mayChangeUser: false, send }; // It handles a concurrent refresh itself.

    /** Another tab's refresh may bring its cookies back after their removal: then remove them again. */
    async function send(headers: Headers): Promise<Response> {
      const before = state.snapshot();
      const response = await call.send(headers);
      if (!response.ok) return response;
      return gate.exclusive(async () => {
        const now = state.snapshot();
        return hasChanged(before, now) && !isAnotherUser(before, now) ? call.send(headers) : response;
      });
    }
  }

  function again(): Promise<void> {
    removal ??= gate.exclusive(removeCookies).finally(() => {
      removal = undefined;
    });
    return removal;
  }

  async function removeCookies(): Promise<void> {
    if (state.snapshot().status !== "none") return; // They would belong to a new session.
    const init = { method: "POST", headers: sessionHeaders(), credentials: "include", redirect: "error" } as const;
    await withTimeout(environment, SIGN_OUT_TIMEOUT_MS, ({ signal }) =>
      environment.fetch(settings.signOutUrl, { ...init, signal }),
    );
  }

  return { signOut, pending: () => (flight ?? removal)?.catch(nothing), again };
}

function nothing(): undefined {
  return undefined;
}

async function requireSuccess(response: Response): Promise<void> {
  const { status } = response;
  if (!response.ok) {
    throw new SignOutError({ reason: `status ${status}.`, status, retryAfterMs: readRetryAfter(response.headers) });
  }
  const verdict = await verdictOf(response);
  if (verdict !== undefined && verdict !== "OK") throw new SignOutError({ reason: String(verdict), status });
}

/** The `status` of the body; absent for an application with its own response format, whose HTTP status counts. */
async function verdictOf(response: Response): Promise<unknown> {
  try {
    return ((await response.json()) as { status?: unknown } | null)?.status;
  } catch {
    return undefined;
  }
}
