/** Sends a call to the API and repeats it after a refresh. */

import type { Environment } from "./contract.js";
import { callHeaders } from "./headers.js";
import type { Settings } from "./options.js";
import type { Refresher, RefreshOutcome } from "./refresh.js";
import type { RepeatableCall } from "./request.js";
import type { Session } from "./session.js";
import { hasChanged, isAnotherUser, type ReadableState, type Snapshot } from "./state.js";
import { unlessAborted } from "./waiting.js";

export interface CallRules {
  /** How often the call may be repeated. */
  readonly maxRepeats: number;
  /** What to wait for before a refresh may be thought of. */
  readonly precondition: () => Promise<unknown> | undefined;
}

/**
 * What became of a call:
 * `answered`: the response is the application's answer;
 * `ended`: refused, and there is no session;
 * `replaced`: refused, and meanwhile another user signed in, in whose name the call was not repeated;
 * `looping`: refused even after the last permitted repeat, although the session lives.
 */
export type Verdict = "answered" | "ended" | "replaced" | "looping";

export interface Answer {
  readonly response: Response;
  readonly verdict: Verdict;
}

export interface Caller {
  call(call: RepeatableCall, rules: CallRules): Promise<Answer>;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly session: Session;
  readonly refresher: Refresher;
}

export function createCaller({ environment, settings, state, session, refresher }: Parts): Caller {
  async function call(repeatableCall: RepeatableCall, rules: CallRules): Promise<Answer> {
    for (let repeats = 0; ; repeats += 1) {
      const before = session.observe();
      const response = await send(repeatableCall);
      if (!isRefusal(response)) return { response, verdict: "answered" };
      if (repeats === rules.maxRepeats) return { response, verdict: lastVerdict() };
      const outcome = await unlessAborted(repeatableCall.init.signal, renew(before, rules));
      if (outcome === "ended") return { response, verdict: "ended" };
      if (isAnotherUser(before, state.snapshot())) return { response, verdict: "replaced" };
      discard(response);
    }
  }

  function lastVerdict(): Verdict {
    return session.observe().status === "none" ? "ended" : "looping";
  }

  async function send({ url, init }: RepeatableCall): Promise<Response> {
    const headers = callHeaders(init.headers, state.antiCsrf());
    const response = await environment.fetch(url, { ...init, headers, credentials: "include" });
    if (isFromApi(response)) session.absorb(response);
    return response;
  }

  /** A redirect may have led elsewhere, and strangers have no say about the session. */
  function isFromApi(response: Response): boolean {
    return !response.url || new URL(response.url).origin === settings.apiOrigin;
  }

  function isRefusal(response: Response): boolean {
    return response.status === settings.sessionExpiredStatus && isFromApi(response);
  }

  /** See to it that the session is newer than `before`, by a refresh only if nobody has done one since. */
  async function renew(before: Snapshot, rules: CallRules): Promise<RefreshOutcome> {
    await rules.precondition();
    const now = session.observe();
    if (now.status === "none") return "ended";
    return hasChanged(before, now) ? "refreshed" : refresher.refresh();
  }

  return { call };
}

/** Free the connection of an answer nobody will read. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}
