/** Sends a call to the API and repeats it after a refresh. */

import type { LookAhead } from "./ahead.js";
import type { Reply, SessionAnswer, SessionCall, SessionVerdict } from "./contract.js";
import { callHeaders, ownHeaders } from "./headers.js";
import type { Settings } from "./options.js";
import type { Refresher, RefreshOutcome } from "./refresh.js";
import type { Session } from "./session.js";
import { hasChanged, isAnotherUser, type ReadableState, type Snapshot } from "./state.js";
import type { Tokens } from "./tokens.js";
import { unlessAborted } from "./waiting.js";

export interface CallRules {
  /** How often the call may be repeated. */
  readonly maxRepeats: number;
  /** What to wait for before a refresh may be thought of. */
  readonly precondition: () => Promise<unknown> | undefined;
}

export interface Caller {
  /** The first request leaves before this returns. */
  call<R extends Reply>(call: SessionCall<R>, rules: CallRules): Promise<SessionAnswer<R>>;
  /** Does the API say that the access token is not accepted? */
  isRefusal(reply: Pick<Reply, "status" | "url">): boolean;
}

interface Parts {
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly tokens: Tokens;
  readonly session: Session;
  readonly refresher: Refresher;
  readonly lookAhead: LookAhead;
}

export function createCaller({ settings, state, tokens, session, refresher, lookAhead }: Parts): Caller {
  async function call<R extends Reply>(call: SessionCall<R>, rules: CallRules): Promise<SessionAnswer<R>> {
    const own = ownHeaders(call.own, tokens.access());
    for (let repeats = 0; ; repeats += 1) {
      const before = session.observe();
      const response = await send(call, own);
      if (!isRefusal(response)) return { response, verdict: "answered" };
      if (repeats === rules.maxRepeats) return { response, verdict: lastVerdict() };
      const outcome = await unlessAborted(call.signal, renew(before, rules));
      if (outcome === "ended") return { response, verdict: "ended" };
      if (isAnotherUser(before, state.snapshot())) return { response, verdict: "replaced" };
      discard(response);
    }
  }

  function lastVerdict(): SessionVerdict {
    return session.observe().status === "none" ? "ended" : "looping";
  }

  async function send<R extends Reply>(call: SessionCall<R>, own: Headers): Promise<R> {
    const token = tokens.access();
    const reply = await call.send(callHeaders(own, settings.transfer, { antiCsrf: state.antiCsrf(), token }));
    if (!isFromApi(reply)) return reply;
    // Another tab may have begun a new session since the token was sent. The refresh that follows a refusal finds out.
    if (!token || !isRefusal(reply)) session.absorb(reply);
    lookAhead(reply);
    return reply;
  }

  /** A redirect may have led elsewhere, and strangers have no say about the session. */
  function isFromApi({ url }: Pick<Reply, "url">): boolean {
    return !url || new URL(url).origin === settings.apiOrigin;
  }

  function isRefusal(reply: Pick<Reply, "status" | "url">): boolean {
    return reply.status === settings.sessionExpiredStatus && isFromApi(reply);
  }

  /** See to it that the session is newer than `before`, by a refresh only if nobody has done one since. */
  async function renew(before: Snapshot, rules: CallRules): Promise<RefreshOutcome> {
    await rules.precondition();
    const now = session.observe();
    if (now.status === "none") return "ended";
    return hasChanged(before, now) ? "refreshed" : refresher.refresh();
  }

  return { call, isRefusal };
}

/** Free the connection of an answer nobody will read. */
function discard(reply: Reply): void {
  reply.body?.cancel().catch(() => undefined);
}
