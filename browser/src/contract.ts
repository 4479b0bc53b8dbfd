/** The public types. Nothing here has a run-time value, so this file is also the published type declaration. */

import type { SessionRefreshError } from "./errors.js";

/** A page's options; every field has a default. */
export interface SessionClientOptions {
  /** Origin of the API, for example `https://api.example.com`. Default: the page's own origin. */
  apiDomain?: string;
  /** Path of the refresh endpoint on the API origin. Default: `/session/refresh`. */
  refreshPath?: string;
  /** Path of the sign-out endpoint on the API origin. Default: `/signout`. */
  signOutPath?: string;
  /** Status with which the API rejects an access token. Default: 401. */
  sessionExpiredStatus?: number;
  /** How often the API may refuse one call as not refreshed before it fails with `SessionLoopError`. Default: 3. */
  maxRefreshesPerCall?: number;
  /**
   * Where new sessions carry their tokens. Default: `cookie`, which scripts cannot read. With `header`, scripts can read the
   * tokens: only for pages whose browser does not keep the API's cookies. A live session keeps its transport.
   */
  tokenTransferMethod?: TokenTransferMethod;
  /**
   * `SameSite` of the readable cookies of cookie mode. Default: `lax`. With `none` they also work in a frame of another site,
   * if the browser allows third-party cookies; only over https.
   */
  cookieSameSite?: "lax" | "strict" | "none";
  /**
   * Whether a page in a frame of another site has readable cookies of its own there, also where the browser blocks third-party
   * cookies: the server's `cookie_partitioned`. Default: false. Only with `cookieSameSite: "none"`.
   */
  cookiePartitioned?: boolean;
  /** Suffix of the readable cookies' names, for applications that share a host name. Default: none. */
  cookieSuffix?: string;
  /**
   * Refresh in the background when a response arrives less than this many milliseconds before the access token expires, by
   * the server's clock. Default: 0, which disables it; the session is then refreshed when the API asks for it.
   */
  refreshAheadMs?: number;
  /**
   * Bind sessions in headers to a key of this browser (DPoP, RFC 9449), so that copied tokens are of no use elsewhere: pass
   * `dpop` of `reseal-browser/dpop`. Default: none. The server must offer it; see the README.
   */
  dpop?: MakeProofs;
  /** Replacements for browser functions; meant for tests and unusual hosts. */
  environment?: Partial<Environment>;
}

/** `cookie`: in HttpOnly cookies; `header`: in headers, within reach of scripts. */
export type TokenTransferMethod = "cookie" | "header";

export interface SessionClient {
  /**
   * Call like `window.fetch`. Calls to the API origin carry the session and are repeated after a refresh; all others
   * go through untouched, and so do calls with `credentials: "omit"`.
   *
   * Rejects with `SessionRefreshError` when the refresh could not be completed (the session is kept), with
   * `SessionLoopError` when the API keeps refusing freshly refreshed sessions, and with `SessionReplacedError` when another
   * user signed in while the call waited for a refresh to end.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /**
   * Resolve to whether somebody is signed in: the session of a visitor who is not does not count. If the browser cannot know (its readable cookies are gone), this asks the
   * server with one refresh; rejects with `SessionRefreshError` if the server cannot be reached.
   */
  doesSessionExist(): Promise<boolean>;
  /** The signed-in user's id as last received from the server. For display only; the server makes every decision. */
  getUserId(): string | undefined;
  /** The access token's payload as last received from the server. For display only, like the user id. */
  getAccessTokenPayload(): Record<string, unknown> | undefined;
  /** Refresh now, or join the refresh in progress. True: somebody is signed in. False: there is no session, or a visitor's. */
  attemptRefreshingSession(): Promise<boolean>;
  /** End the session at the server and here. Rejects with `SignOutError`, and keeps the session, if the server did not. */
  signOut(): Promise<void>;
  /** Call `listener` on every `event`, including those of other tabs where documented, until the returned function is called. */
  on<E extends SessionEventName>(event: E, listener: SessionListener<E>): () => void;
  /**
   * Detach this client from the page: undo its interception, stop listening to other tabs, and emit no more events. The
   * session stays, and calls of this client still work.
   */
  close(): void;
  /** The primitives for calls by other means than this `fetch`; `reseal-browser/intercept` uses them. */
  readonly calls: SessionCalls;
}

export interface SessionCalls {
  /** The API's origin, where the session may be sent; undefined on a server, where there is no session. */
  readonly apiOrigin: string | undefined;
  /** The absolute address, resolved against the page's current address. */
  resolve(address: string | URL): string;
  /** Is this an address of the API, where the session may be sent? */
  isOurs(address: string | URL): boolean;
  /** Does this response of the API reject the access token, or its proof? */
  isRefusal(reply: Refusable): boolean;
  /** Send a call, and again after a refresh. The first request leaves before this returns. Rejects like `fetch` above. */
  run<R extends Reply>(call: SessionCall<R>): Promise<SessionAnswer<R>>;
  /** A `fetch` like the client's, on top of the one given. */
  through(fetch: Fetch): Fetch;
  /** Call back when the client is closed; at once if it is. */
  onClose(callback: () => void): void;
}

/** A call that can be sent more than once, each time with the current headers. */
export interface SessionCall<R extends Reply> {
  /** Default: GET. */
  readonly method?: string | undefined;
  /** The absolute address. Needed for a session that is bound by `dpop`. */
  readonly url?: string;
  /** The caller's own headers. */
  readonly own: HeadersInit | undefined;
  readonly signal: AbortSignal | null | undefined;
  /** May the response change the signed-in user? Then the call waits for a refresh in progress. */
  readonly mayChangeUser?: boolean;
  /** `url`: where to send it instead, if a redirect would take it to an address for which it has no proof. */
  send(headers: Headers, url?: string): Promise<R>;
}

export interface SessionAnswer<R extends Reply> {
  readonly response: R;
  readonly verdict: SessionVerdict;
}

/**
 * The outcome of a call:
 * `answered`: the response is the application's own, even if it refuses a session that has just been refreshed;
 * `ended`: refused, and there is no session;
 * `replaced`: refused, and another user has signed in, in whose name the call was not repeated;
 * `looping`: refused even after the last permitted repeat, although the session is live.
 */
export type SessionVerdict = "answered" | "ended" | "replaced" | "looping";

/** The part of a `Response` that the session needs. */
export type Reply = Pick<Response, "status" | "ok" | "url" | "headers"> &
  Partial<Pick<Response, "body" | "json">> & { clone?: () => Pick<Response, "json"> };

/** What tells whether a response rejects a session; `headers` are needed for one that is bound by `dpop`. */
export type Refusable = Pick<Reply, "status" | "url"> & Partial<Pick<Reply, "headers">>;

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

/** Each event with the detail passed to its listeners. */
export interface SessionEvents {
  /** A user's session that is new to this tab, from a response or from another tab. */
  SESSION_CREATED: { userId: string | undefined };
  /** A refresh in this tab succeeded. */
  REFRESH_SESSION: { userId: string | undefined };
  /** The result of `getAccessTokenPayload()` has changed, in this tab or in another one. */
  PAYLOAD_UPDATED: { userId: string | undefined; payload: Record<string, unknown> | undefined };
  /** The session ended on request of this tab. */
  SIGN_OUT: { userId: string | undefined };
  /** A session known to this tab is over; emitted once, however many calls were waiting. */
  SESSION_EXPIRED: {
    userId: string | undefined;
    reason: SessionEndReason;
    serverReason: string | undefined;
    serverNote: string | undefined;
  };
  /** Another tab signed out, or was refused. `SESSION_EXPIRED` follows. */
  SESSION_ENDED_ELSEWHERE: { userId: string | undefined };
  /** The server detected two users of the refresh token. `SESSION_EXPIRED` follows. */
  TOKEN_THEFT: { userId: string | undefined };
  /** A refresh was given up (offline, overloaded or failing server). The session is kept. */
  REFRESH_FAILED: { error: SessionRefreshError };
}

export type SessionEventName = keyof SessionEvents;
export type SessionListener<E extends SessionEventName> = (detail: SessionEvents[E]) => void;

/**
 * `refused`: by the server, which may state a reason (`serverReason`, for example `user_revoked`), and the application's own words
 * for it (`serverNote`); `token-theft`: see `TOKEN_THEFT`; `elsewhere`: see `SESSION_ENDED_ELSEWHERE`.
 */
export type SessionEndReason = "refused" | "token-theft" | "elsewhere";

/** Everything the client takes from its host: time, randomness, network, storage and tabs. */
export interface Environment {
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Milliseconds since 1970. Compared only with one another, never with server time. */
  now(): number;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** Unguessable text; undefined if the host cannot generate it. */
  newKey(): string | undefined;
  /** Call back once after `delayMs`, unless the returned function is called first. */
  setTimer(callback: () => void, delayMs: number): () => void;
  /** All readable cookies, as `document.cookie` gives them. */
  readCookies(): string;
  /** Write one cookie, as an assignment to `document.cookie` does. */
  writeCookie(cookie: string): void;
  /** Storage for header mode's tokens, and for the attempt key. May throw if the browser forbids it; the tab's memory is then used. */
  storage(): SessionStorage;
  /** The page's address. */
  pageUrl(): string;
  /** The address against which relative request addresses are resolved. */
  baseUrl(): string;
  isOnline(): boolean;
  /** Call back when the host comes online, unless the returned function is called first. */
  onceOnline(callback: () => void): () => void;
  /** Locks shared by all tabs, if the host has any. */
  locks: SessionLocks | undefined;
  /**
   * Call `heard` when another tab has posted to the channel `name` or changed the storage, and when the page comes back.
   * Returns the function that posts to the others, with one that ends all of this.
   */
  openChannel(name: string, heard: () => void): SessionChannel;
  /** Take an error thrown by a listener; it must not disturb the session. */
  reportError(error: unknown): void;
  /** Where the keys of `dpop` are kept. Default: in IndexedDB. */
  keys?: DeviceKeys;
}

/** Makes the proofs of one API's session. */
export type MakeProofs = (host: ProofHost) => Proofs;

export interface ProofHost extends Pick<Environment, "now" | "setTimer" | "reportError" | "keys"> {
  readonly apiOrigin: string;
  /** Of the place where the keys are kept. */
  readonly name: string;
  /** Status with which the API rejects an access token. */
  readonly expiredStatus: number;
}

export interface Proofs {
  /** Send a request with a proof, and once more if the API wants another one. */
  send<R extends Reply>(request: ProvenRequest, dispatch: Dispatch<R>): Promise<R>;
  /** The session is over in this tab; at its end the key is deleted. Never rejects. */
  forget(isEnd: boolean): Promise<void>;
}

/** Send a request with this proof; to this address, if one is given. */
export type Dispatch<R extends Reply> = (proof?: Proof, url?: string) => Promise<R>;

export interface ProvenRequest {
  readonly method: string;
  readonly url: string;
  /** The access token of the session, which tells whether it is bound. */
  readonly session: string | undefined;
  /** The access token that the request shows. */
  readonly shown: string | undefined;
}

export interface Proof {
  /** The value of the header `DPoP`. */
  readonly text: string;
  /** Is the session bound, so that its tokens are shown as `DPoP` and not as `Bearer`? */
  readonly isBound: boolean;
}

/** The private half cannot be read out. */
export interface DeviceKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: JsonWebKey;
  /** RFC 7638, with SHA-256. */
  readonly thumbprint: string;
}

/** Where the keys are kept. Its calls reject where the browser keeps nothing. */
export interface DeviceKeys {
  all(): Promise<DeviceKey[]>;
  /** Keep this key, if there is none yet; give the one that is there. */
  offer(key: DeviceKey): Promise<DeviceKey>;
  /** Keep this key beside others. */
  keep(key: DeviceKey): Promise<void>;
  remove(thumbprint: string): Promise<void>;
}

/** The part of `localStorage` that is used. */
export type SessionStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The one form of `navigator.locks.request` that is used. */
export interface SessionLocks {
  request(
    name: string,
    options: { mode: "exclusive" | "shared"; signal: AbortSignal },
    holder: () => Promise<void>,
  ): Promise<unknown>;
}

/** Posts to the other tabs. */
export type SessionChannel = (() => void) & { close?: () => void };
