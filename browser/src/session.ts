/** Connects the readable state with the events: every change of the session in this tab goes through here. */

import type { Attempts } from "./attempts.js";
import type { Proofs, Reply, SessionEndReason } from "./contract.js";
import type { Events } from "./events.js";
import { decodeFrontToken } from "./front-token.js";
import {
  isAnotherSession,
  isSameSession,
  isVisitor,
  type ReadableState,
  type SessionName,
  sessionOf,
  type Snapshot,
} from "./state.js";
import type { Tokens } from "./tokens.js";

export interface Session {
  /** Read the state, and report changes made by other tabs since the last read. */
  observe(): Snapshot;
  /**
   * Apply an ordinary response's session headers. Returns false, and applies nothing, if they belong to the session of
   * `before` and that has been replaced or ended since.
   */
  absorb(reply: Reply, before: Snapshot): boolean;
  /** The session named by a response, if any. */
  named(reply: Reply): SessionName | undefined;
  /** Apply a successful refresh. */
  refreshed(reply: Reply): void;
  /** The session ended on request. Resolves when nothing of it is left. */
  signedOut(): Promise<void>;
  /** The session ended for any other reason. */
  expired(reason: SessionEndReason, serverReason?: string, serverNote?: string): void;
}

interface Parts {
  readonly state: ReadableState;
  readonly tokens: Tokens;
  readonly attempts: Attempts;
  readonly proofs: Proofs | undefined;
  readonly events: Events;
  /** Notify the other tabs of a change. */
  readonly announce: () => void;
}

/** The user's session last seen by this tab. Its end is reported only to a page that knew of it, and only once. */
interface KnownSession {
  readonly userId: string | undefined;
  readonly handle: unknown;
  readonly payload: string;
}

export function createSession({ state, tokens, attempts, proofs, events, announce }: Parts): Session {
  const first = state.snapshot();
  let known = first.status === "exists" ? knownFrom(first) : undefined;

  function observe(): Snapshot {
    const seen = state.snapshot();
    if (seen.status !== "unknown") notice(seen);
    return seen;
  }

  /** Report what has changed in the session since it was last seen, which may be its end. */
  function notice(seen: Snapshot, before = known): void {
    if (seen.status === "none") return known && expired("elsewhere");
    const now = (known = knownFrom(seen));
    const { userId, payload } = seen;
    if (!now) return before && report("elsewhere", before);
    if (!before || !isSameSession(before, now)) events.emit("SESSION_CREATED", { userId });
    else if (before.payload !== now.payload) events.emit("PAYLOAD_UPDATED", { userId, payload });
  }

  /** Clear the session; return what this page knew of it, or undefined. */
  function forget(): { userId: string | undefined } | undefined {
    const seen = state.snapshot();
    const last = known ?? (seen.status === "exists" ? knownFrom(seen) : undefined);
    if (seen.status !== "none") {
      state.clear();
      attempts.forget();
    }
    known = undefined;
    return last && { userId: knownFrom(seen)?.userId ?? last.userId };
  }

  async function signedOut(): Promise<void> {
    tokens.clear();
    const last = forget();
    const isForgotten = proofs?.forget(true);
    if (last) events.emit("SIGN_OUT", last);
    announce();
    await isForgotten;
  }

  function expired(reason: SessionEndReason, serverReason?: string, serverNote?: string): void {
    const isOurs = reason !== "elsewhere";
    if (isOurs) tokens.clear(); // Otherwise the other tab has, and may hold those of a new session.
    const last = forget();
    void proofs?.forget(isOurs);
    if (reason === "token-theft") events.emit("TOKEN_THEFT", { userId: last?.userId });
    if (last) report(reason, last, serverReason, serverNote);
    if (isOurs) announce();
  }

  function report(reason: SessionEndReason, of: Pick<KnownSession, "userId">, serverReason?: string, serverNote?: string): void {
    const { userId } = of;
    if (reason === "elsewhere") events.emit("SESSION_ENDED_ELSEWHERE", { userId });
    events.emit("SESSION_EXPIRED", { userId, reason, serverReason, serverNote });
  }

  function store(reply: Reply): void {
    state.store({ frontToken: header(reply, "front-token"), antiCsrf: header(reply, "anti-csrf") });
  }

  function absorb(reply: Reply, before: Snapshot): boolean {
    if (isOutdated(reply, before)) return false;
    const frontToken = header(reply, "front-token");
    const antiCsrf = header(reply, "anti-csrf");
    if (frontToken === "remove") reply.ok ? void signedOut() : expired("refused");
    else {
      tokens.take(reply.headers);
      if (frontToken !== undefined) {
        const last = state.snapshot();
        store(reply);
        const now = state.snapshot();
        if (isSameSession(last, now)) attempts.move(last, now); // A new access token, and the refresh token of before.
        notice(now);
        announce();
      } else if (antiCsrf !== undefined) state.storeAntiCsrf(antiCsrf);
    }
    return true;
  }

  function isOutdated(reply: Reply, before: Snapshot): boolean {
    const now = state.snapshot();
    if (before.status !== "exists" || !(now.status === "none" || isAnotherSession(before, now))) return false;
    // The cookies have been removed, whichever session they belonged to.
    if (header(reply, "front-token") === "remove") return before.token !== undefined;
    const told = named(reply);
    return told !== undefined && isSameSession(told, before);
  }

  function named(reply: Reply): SessionName | undefined {
    const frontToken = header(reply, "front-token");
    return frontToken === undefined ? undefined : sessionOf(decodeFrontToken(frontToken));
  }

  function refreshed(reply: Reply): void {
    if (header(reply, "front-token") === "remove") return expired("refused");
    tokens.take(reply.headers);
    store(reply);
    const now = state.snapshot();
    notice(now, known ?? knownFrom(now)); // A session found again by asking for it is not a new one.
    if (known) events.emit("REFRESH_SESSION", { userId: known.userId });
    announce();
  }

  return { observe, absorb, named, refreshed, signedOut, expired };
}

/** What the page knows of a session: nothing of a visitor's. */
function knownFrom(seen: Snapshot): KnownSession | undefined {
  const { userId, handle, payload } = seen;
  return isVisitor(seen) ? undefined : { userId, handle, payload: JSON.stringify(payload, withoutTimes) };
}

/** Leave out what is new in each token. */
function withoutTimes(name: string, value: unknown): unknown {
  return name === "iat" || name === "exp" ? undefined : value;
}

function header(reply: Reply, name: string): string | undefined {
  return reply.headers.get(name) || undefined;
}
