/** Sends a call to the API and repeats it after a refresh. */

import type { LookAhead } from "./ahead.js";
import type { Attempts } from "./attempts.js";
import type { Environment, Refusable, Reply, SessionAnswer, SessionCall, SessionVerdict } from "./contract.js";
import { SessionReplacedError } from "./errors.js";
import type { Gate } from "./gate.js";
import { callHeaders, ownHeaders } from "./headers.js";
import { JUST_NOW_MS, type Settings } from "./options.js";
import { type Proving, refusesProof } from "./proofs.js";
import type { Refresher, RefreshOutcome } from "./refresh.js";
import type { Session } from "./session.js";
import { hasChanged, isAnotherUser, type ReadableState, type Snapshot } from "./state.js";
import type { Tokens } from "./tokens.js";
import { unlessAborted } from "./waiting.js";

export interface CallRules {
  /** How often the call may be repeated. */
  readonly maxRepeats: number;
  /** Must resolve before a refresh may start. */
  readonly precondition: () => Promise<unknown> | undefined;
}

export interface Caller {
  /** The first request leaves before this returns. */
  call<R extends Reply>(call: SessionCall<R>, rules: CallRules): Promise<SessionAnswer<R>>;
  /** Does the API say that the access token is not accepted? */
  isRefusal(reply: Refusable): boolean;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  readonly state: ReadableState;
  readonly tokens: Tokens;
  readonly session: Session;
  readonly refresher: Refresher;
  readonly lookAhead: LookAhead;
  readonly gate: Gate;
  readonly attempts: Attempts;
  readonly proving: Proving;
  /** Remove cookies that arrived after the sign-out. */
  readonly takeBack: () => Promise<void>;
}

export function createCaller(parts: Parts): Caller {
  const { environment, settings, state, tokens, session, refresher, lookAhead, gate, attempts, proving, takeBack } = parts;

  async function call<R extends Reply>(call: SessionCall<R>, rules: CallRules): Promise<SessionAnswer<R>> {
    const own = ownHeaders(call.own, tokens.access());
    const send = async () => {
      const before = session.observe();
      return { before, response: await sendNow(call, own, before) };
    };
    let isRenewed = false;
    for (let repeats = 0; ; repeats += 1) {
      const { before, response } = await (call.mayChangeUser ? sendInTurn(call, rules, send) : send());
      if (!isRefusal(response)) return { response, verdict: "answered" };
      // The session is valid, so this is, for example, a wrong password. A refusal that still brings session headers comes
      // from an application that accepted the session, or from a service worker that has refreshed.
      if (isNews(response)) return { response, verdict: "answered" };
      if (isRenewed && !(await unlessAborted(call.signal, refusesSession(response)))) return { response, verdict: "answered" };
      if (repeats === rules.maxRepeats) return { response, verdict: lastVerdict() };
      const outcome = await unlessAborted(call.signal, renew(before, rules, repeats === 0));
      if (outcome === "ended") return { response, verdict: "ended" };
      const now = state.snapshot();
      if (isAnotherUser(before, now)) return { response, verdict: "replaced" };
      isRenewed = outcome !== "changed" || Math.abs(environment.now() - Number(now.marker)) < JUST_NOW_MS;
      discard(response);
    }
  }

  function lastVerdict(): SessionVerdict {
    return session.observe().status === "none" ? "ended" : "looping";
  }

  /** Send a call that may change the signed-in user: at once, if no refresh or sign-out is known to be in progress. */
  async function sendInTurn<R>(call: SessionCall<Reply>, rules: CallRules, send: () => Promise<R>): Promise<R> {
    const start = state.snapshot();
    const pending = rules.precondition();
    if (!pending && !attempts.isBegun(start)) return gate.holding(send());
    await unlessAborted(call.signal, Promise.resolve(pending));
    return gate.afterRefresh(async () => {
      call.signal?.throwIfAborted();
      if (isAnotherUser(start, state.snapshot())) throw new SessionReplacedError();
      return send();
    });
  }

  async function sendNow<R extends Reply>(call: SessionCall<R>, own: Headers, before: Snapshot): Promise<R> {
    const token = tokens.access();
    const { method, url } = call;
    const shown = own.has("authorization") ? undefined : token;
    const reply = await proving<R>({ method, url, session: token, shown }, (proof, to) =>
      call.send(callHeaders(own, settings.transfer, { antiCsrf: state.antiCsrf(), token, proof }), to),
    );
    if (!isFromApi(reply)) return reply;
    // Another tab may have begun a new session since the token was sent. The refresh after the refusal detects it.
    const isTaken = (token && isRefusal(reply)) || session.absorb(reply, before);
    // Its cookies have overwritten newer ones, which the refresh brings back, or are there again after a sign-out.
    if (!isTaken && !token) bringBack().catch(() => undefined);
    lookAhead(reply);
    return reply;
  }

  function bringBack(): Promise<unknown> {
    return state.snapshot().status === "none" ? takeBack() : refresher.refresh();
  }

  /** A redirect may have led to another origin, which must not change the session. */
  function isFromApi({ url }: Pick<Reply, "url">): boolean {
    return new URL(url, settings.apiOrigin).origin === settings.apiOrigin;
  }

  function isRefusal(reply: Refusable): boolean {
    return (reply.status === settings.sessionExpiredStatus || refusesProof(reply)) && isFromApi(reply);
  }

  /**
   * Make sure that the session is newer than `before`; refresh only if no other tab has. A browser to which the session is
   * bound refreshes it before it sends the call again: then only the page has to learn of that, and the call need not wait.
   */
  async function renew(before: Snapshot, rules: CallRules, isFirst: boolean): Promise<RefreshOutcome | "changed" | "bound"> {
    await rules.precondition();
    const now = session.observe();
    if (now.status === "none") return "ended";
    if (hasChanged(before, now)) return "changed";
    const outcome = refresher.refresh();
    if (!isFirst || !now.isBound || now.token !== undefined) return outcome;
    outcome.catch(() => undefined); // Told as REFRESH_FAILED, and asked for again if the call is refused again.
    return "bound";
  }

  return { call, isRefusal };
}

function isNews({ headers }: Reply): boolean {
  const frontToken = headers.get("front-token");
  return !!frontToken && frontToken !== "remove";
}

/** Is this a refusal of the session, not one of the application? */
async function refusesSession(reply: Reply): Promise<boolean> {
  try {
    const { message } = Object(await (reply.clone?.() ?? reply).json?.());
    return message === "try refresh token" || message === "unauthorised";
  } catch {
    return false;
  }
}

/** Free the connection of a response that will not be read. */
function discard(reply: Reply): void {
  reply.body?.cancel().catch(() => undefined);
}
