/** Brings the readable state and the events together: every change of the session in this tab passes here. */

import type { SessionEndReason } from "./contract.js";
import type { Events } from "./events.js";
import type { ReadableState, Snapshot } from "./state.js";

export interface Session {
  /** Read the state, and tell the page if another tab ended the session since the last look. */
  observe(): Snapshot;
  /** Take over what an ordinary response says about the session. */
  absorb(response: Response): void;
  /** Take over a successful refresh. */
  refreshed(response: Response): void;
  /** The session is over because somebody asked for it. */
  signedOut(): void;
  /** The session is over because it may not go on. */
  expired(reason: SessionEndReason): void;
}

export function createSession(state: ReadableState, events: Events): Session {
  // What this tab last believed; an end is told only to a page that knew of a session, and only once.
  let isKnown = false;
  let userId: string | undefined;

  function observe(): Snapshot {
    const seen = state.snapshot();
    if (seen.status === "exists") remember(seen.userId);
    if (seen.status === "none" && isKnown) expired("elsewhere");
    return seen;
  }

  function remember(id: string | undefined): void {
    isKnown = true;
    userId = id;
  }

  /** Forget the session; returns whether the page knew of it, and whose it was. */
  function forget(): { wasKnown: boolean; userId: string | undefined } {
    const seen = state.snapshot();
    const last = { wasKnown: isKnown || seen.status === "exists", userId: seen.userId ?? userId };
    if (seen.status !== "none") state.clear();
    isKnown = false;
    userId = undefined;
    return last;
  }

  function signedOut(): void {
    const last = forget();
    if (last.wasKnown) events.emit("SIGN_OUT", { userId: last.userId });
  }

  function expired(reason: SessionEndReason): void {
    const last = forget();
    if (reason === "token-theft") events.emit("TOKEN_THEFT", { userId: last.userId });
    if (last.wasKnown) events.emit("SESSION_EXPIRED", { userId: last.userId, reason });
  }

  function store(response: Response): void {
    state.store({ frontToken: header(response, "front-token"), antiCsrf: header(response, "anti-csrf") });
    remember(state.snapshot().userId);
  }

  function absorb(response: Response): void {
    const frontToken = header(response, "front-token");
    const antiCsrf = header(response, "anti-csrf");
    if (frontToken === "remove") return response.ok ? signedOut() : expired("refused");
    if (frontToken !== undefined) return absorbTokens(response);
    if (antiCsrf !== undefined) state.storeAntiCsrf(antiCsrf);
  }

  function absorbTokens(response: Response): void {
    const before = { isKnown, userId };
    store(response);
    if (!before.isKnown || before.userId !== userId) events.emit("SESSION_CREATED", { userId });
  }

  function refreshed(response: Response): void {
    if (header(response, "front-token") === "remove") return expired("refused");
    store(response);
    events.emit("REFRESH_SESSION", { userId });
  }

  observe();
  return { observe, absorb, refreshed, signedOut, expired };
}

function header(response: Response, name: string): string | undefined {
  return response.headers.get(name) || undefined;
}
