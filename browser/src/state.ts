/**
 * The part of the session that scripts may read: three small texts shared by all tabs, in readable cookies or, in header
 * mode, in the browser's storage. Only in header mode can scripts also read the tokens; see `tokens.ts`.
 *
 *   marker   front token   status
 *   present  present       exists
 *   present  absent        none      (signed out, or refused)
 *   absent   -             unknown   (never asked, or the browser dropped script-written cookies)
 *
 * Nothing is cached: another tab may have written since, or between two readings, so that one decision takes one snapshot.
 */

import type { Environment } from "./contract.js";
import { decodeFrontToken, type FrontToken } from "./front-token.js";
import type { TextStorage } from "./text-storage.js";
import type { Tokens } from "./tokens.js";

export const FRONT_TOKEN = "sFrontToken";
const ANTI_CSRF = "sAntiCsrf";
const MARKER = "st-last-access-token-update";
/** The user id of visitors who are not signed in. */
const VISITOR = "reseal:anonymous";

export type SessionStatus = "exists" | "none" | "unknown";

/** The state at one moment, to be compared with a later one. */
export interface Snapshot extends FrontToken {
  readonly status: SessionStatus;
  readonly handle: unknown;
  readonly marker: string | undefined;
  /** The refresh token of header mode, which reaches other tabs a little before the marker. */
  readonly token: string | undefined;
  readonly generation: number;
}

export interface ReadableState {
  snapshot(): Snapshot;
  antiCsrf(): string | undefined;
  /** Record that the server issued tokens. Values that it did not send are written again, so that all expire together. */
  store(received: { frontToken: string | undefined; antiCsrf: string | undefined }): void;
  storeAntiCsrf(value: string): void;
  /** Record that there is no session. */
  clear(): void;
}

/** Has any tab stored or cleared a session between the two moments? */
export function hasChanged(before: Snapshot, after: Snapshot): boolean {
  return before.marker !== after.marker || before.token !== after.token || before.generation !== after.generation;
}

/** Has another session begun between the two moments, or become known to the browser? */
export function isAnotherSession(before: Snapshot, after: Snapshot): boolean {
  return after.status === "exists" && !isSameSession(before, after);
}

export function isSameSession(one: SessionName, other: SessionName): boolean {
  return one.userId === other.userId && one.handle === other.handle;
}

/** Is this the session of a visitor who is not signed in? It is refreshed as any other, and is no user's. */
export function isVisitor({ userId }: Pick<SessionName, "userId">): boolean {
  return userId === VISITOR;
}

/** A session's user and handle. */
export type SessionName = Pick<Snapshot, "userId" | "handle">;

export function sessionOf({ userId, payload }: FrontToken): SessionName {
  return { userId, handle: payload?.["sessionHandle"] };
}

/** Would a call sent at the first moment be repeated in another user's name? A visitor who signs in stays the same person. */
export function isAnotherUser(before: Snapshot, after: Snapshot): boolean {
  return before.userId !== undefined && !isVisitor(before) && after.userId !== undefined && before.userId !== after.userId;
}

export function createState(environment: Environment, texts: TextStorage, tokens: Tokens): ReadableState {
  let generation = 0; // Changes also where nothing can be written.

  function snapshot(): Snapshot {
    const read = texts.view();
    const [marker, text] = [read(MARKER), read(FRONT_TOKEN)];
    const frontToken = decodeFrontToken(text);
    const status = marker === undefined ? "unknown" : text === undefined ? "none" : "exists";
    return { ...frontToken, ...sessionOf(frontToken), status, marker, token: tokens.refresh(), generation };
  }

  function rewrite(name: string, value: string | undefined): void {
    const current = value ?? texts.view()(name);
    if (current !== undefined) texts.write(name, current);
  }

  /** Is a front token there, and is it the received one, if any was received? */
  function isKept(frontToken: string | undefined): boolean {
    const current = texts.view()(FRONT_TOKEN);
    return current !== undefined && current === (frontToken ?? current);
  }

  function mark(): void {
    const now = environment.now();
    texts.write(MARKER, String(texts.view()(MARKER) === String(now) ? now + 1 : now));
  }

  return {
    snapshot,
    antiCsrf: () => texts.view()(ANTI_CSRF),
    store({ frontToken, antiCsrf }) {
      generation += 1;
      rewrite(FRONT_TOKEN, frontToken);
      rewrite(ANTI_CSRF, antiCsrf);
      if (isKept(frontToken)) return mark();
      // Not sent, or too long for a cookie: a marker alone would mean "signed out". It is erased first, so that no other tab
      // sees it alone.
      texts.erase(MARKER);
      texts.erase(FRONT_TOKEN);
    },
    storeAntiCsrf: (value) => texts.write(ANTI_CSRF, value),
    clear() {
      generation += 1;
      texts.erase(FRONT_TOKEN);
      texts.erase(ANTI_CSRF);
      mark();
    },
  };
}
