/*! reseal-browser 0.1.0 | Apache-2.0 */

/**
 * Make the session client of this page. Raises `TypeError` for options that cannot work. On a server, where there is no
 * page, it gives one that does nothing: its `fetch` is the plain one, and nobody is signed in.
 */
export declare function createSessionClient(options?: SessionClientOptions): SessionClient;

/** What a page may configure; every field has a default. */
export interface SessionClientOptions {
    /** Origin of the API, for example `https://api.example.com`. Default: the page's own origin. */
    apiDomain?: string;
    /** Path of the refresh endpoint on the API origin. Default: `/session/refresh`. */
    refreshPath?: string;
    /** Path of the sign-out endpoint on the API origin. Default: `/signout`. */
    signOutPath?: string;
    /** Status by which the API says that the access token is not accepted. Default: 401. */
    sessionExpiredStatus?: number;
    /** How often the API may refuse one call as not refreshed before it fails with `SessionLoopError`. Default: 3. */
    maxRefreshesPerCall?: number;
    /**
     * How a session begun here travels. Default: `cookie`, out of the reach of scripts. With `header`, scripts can read the
     * tokens: only for pages whose browser will not keep the API's cookies. A session that lives keeps its way.
     */
    tokenTransferMethod?: TokenTransferMethod;
    /**
     * Where the readable cookies of cookie mode go. Default: `lax`. With `none` they are kept in a frame of another site too,
     * if the browser lets that site have cookies; only over https.
     */
    cookieSameSite?: "lax" | "strict" | "none";
    /** Ends the names of the readable cookies, for applications that share a host name. Default: nothing. */
    cookieSuffix?: string;
    /**
     * Refresh behind the scenes when an answer comes so few milliseconds before the access token's end, by the server's
     * clock. Default: 0, which is never; the session is then refreshed when the API asks for it.
     */
    refreshAheadMs?: number;
    /** Replacements for what the browser provides; meant for tests and unusual hosts. */
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
     * Tell whether this browser has a session. Only when the browser does not know (its readable cookies are gone) is the
     * server asked, by one refresh; rejects with `SessionRefreshError` if the server cannot be asked.
     */
    doesSessionExist(): Promise<boolean>;
    /** The signed-in user's id as last told by the server. For display; the server decides what it allows. */
    getUserId(): string | undefined;
    /** The access token's payload as last told by the server. For display, like the user id. */
    getAccessTokenPayload(): Record<string, unknown> | undefined;
    /** Refresh now, or join the refresh under way. True: the session lives. False: there is none (any more). */
    attemptRefreshingSession(): Promise<boolean>;
    /** End the session at the server and here. Rejects with `SignOutError`, and keeps the session, if the server did not. */
    signOut(): Promise<void>;
    /** Call `listener` on every `event`, other tabs' doings included where it says so, until the returned function is called. */
    on<E extends SessionEventName>(event: E, listener: SessionListener<E>): () => void;
    /**
     * Take this client out of the page: undo its interception, listen to other tabs no longer, and tell no more events. The
     * session stays, and calls of this client still work.
     */
    close(): void;
    /** How calls are made that are not this `fetch`; `reseal-browser/intercept` builds on it. */
    readonly calls: SessionCalls;
}
export interface SessionCalls {
    /** Where the session may go; nothing on a server, where there is none. */
    readonly apiOrigin: string | undefined;
    /** The absolute address, by the page's address of now. */
    resolve(address: string | URL): string;
    /** Is this an address of the API, where the session may go? */
    isOurs(address: string | URL): boolean;
    /** Does this answer of the API say that the access token is not accepted? */
    isRefusal(reply: Pick<Reply, "status" | "url">): boolean;
    /** Send a call, and again after a refresh. The first request leaves before this returns. Rejects like `fetch` above. */
    run<R extends Reply>(call: SessionCall<R>): Promise<SessionAnswer<R>>;
    /** A `fetch` like that of the client, on top of another one than the browser's. */
    through(fetch: Fetch): Fetch;
    /** Call back when the client is closed; at once if it is. */
    onClose(callback: () => void): void;
}
/** Something that can be sent more than once, each time with the headers of its time. */
export interface SessionCall<R extends Reply> {
    /** The caller's own headers. */
    readonly own: HeadersInit | undefined;
    readonly signal: AbortSignal | null | undefined;
    /** May the answer change who is signed in? Then the call waits for a refresh under way. */
    readonly mayChangeUser?: boolean;
    send(headers: Headers): Promise<R>;
}
export interface SessionAnswer<R extends Reply> {
    readonly response: R;
    readonly verdict: SessionVerdict;
}
/**
 * What became of a call:
 * `answered`: the response is the application's answer, also when it refuses a session that has just been refreshed;
 * `ended`: refused, and there is no session;
 * `replaced`: refused, and meanwhile another user signed in, in whose name the call was not repeated;
 * `looping`: refused even after the last permitted repeat, although the session lives.
 */
export type SessionVerdict = "answered" | "ended" | "replaced" | "looping";
/** As much of a `Response` as the session needs to know. */
export type Reply = Pick<Response, "status" | "ok" | "url" | "headers"> & Partial<Pick<Response, "body" | "json">> & {
    clone?: () => Pick<Response, "json">;
};
export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;
/** Each event with what its listeners are told. */
export interface SessionEvents {
    /** A session which this tab did not know: an answer brought it, or another tab did. */
    SESSION_CREATED: {
        userId: string | undefined;
    };
    /** A refresh in this tab succeeded. */
    REFRESH_SESSION: {
        userId: string | undefined;
    };
    /** What `getAccessTokenPayload()` gives has changed, in this tab or in another one. */
    PAYLOAD_UPDATED: {
        userId: string | undefined;
        payload: Record<string, unknown> | undefined;
    };
    /** The session ended on request of this tab. */
    SIGN_OUT: {
        userId: string | undefined;
    };
    /** A session this tab knew is over; told once, however many calls were waiting. */
    SESSION_EXPIRED: {
        userId: string | undefined;
        reason: SessionEndReason;
        serverReason: string | undefined;
    };
    /** Another tab signed out, or was refused. `SESSION_EXPIRED` follows. */
    SESSION_ENDED_ELSEWHERE: {
        userId: string | undefined;
    };
    /** The server saw the refresh token used by two parties. `SESSION_EXPIRED` follows. */
    TOKEN_THEFT: {
        userId: string | undefined;
    };
    /** A refresh was given up (offline, overloaded or failing server). The session is kept. */
    REFRESH_FAILED: {
        error: SessionRefreshError;
    };
}
export type SessionEventName = keyof SessionEvents;
export type SessionListener<E extends SessionEventName> = (detail: SessionEvents[E]) => void;
/**
 * `refused`: by the server, which may have said why (`serverReason`, for example `user_revoked`); `token-theft`: see
 * `TOKEN_THEFT`; `elsewhere`: see `SESSION_ENDED_ELSEWHERE`.
 */
export type SessionEndReason = "refused" | "token-theft" | "elsewhere";
/** Everything the client takes from its host: time, chance, network, storage and tabs. */
export interface Environment {
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Milliseconds since 1970. Only told apart from one another, never compared with server time. */
    now(): number;
    /** A number from 0 up to, not including, 1. */
    random(): number;
    /** A text that nobody can guess; nothing where the host cannot make one. */
    newKey(): string | undefined;
    /** Call back once after `delayMs`, unless the returned function is called first. */
    setTimer(callback: () => void, delayMs: number): () => void;
    /** All readable cookies, as `document.cookie` gives them. */
    readCookies(): string;
    /** Write one cookie, as an assignment to `document.cookie` does. */
    writeCookie(cookie: string): void;
    /** Where header mode keeps what it must remember, and both modes the attempt key. May throw where the browser forbids it; the tab's memory then serves. */
    storage(): SessionStorage;
    /** The page's address. */
    pageUrl(): string;
    /** The address against which relative request addresses are resolved. */
    baseUrl(): string;
    isOnline(): boolean;
    /** Call back when the host comes online, unless the returned function is called first. */
    onceOnline(callback: () => void): () => void;
    /** The tabs' common locks, if the host has any. */
    locks: SessionLocks | undefined;
    /**
     * Call `heard` when another tab has posted to the channel `name` or changed the storage, and when the page comes back.
     * Gives the function that posts to the others, with one that ends all of this.
     */
    openChannel(name: string, heard: () => void): SessionChannel;
    /** Take an error thrown by a listener; it must not disturb the session. */
    reportError(error: unknown): void;
}
/** The part of `localStorage` that is used. */
export type SessionStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;
/** The one form of `navigator.locks.request` that is used. */
export interface SessionLocks {
    request(name: string, options: {
        mode: "exclusive" | "shared";
        signal: AbortSignal;
    }, holder: () => Promise<void>): Promise<unknown>;
}
/** Posts to the other tabs. */
export type SessionChannel = (() => void) & {
    close?: () => void;
};

export declare abstract class SessionError extends Error {
    abstract readonly code: string;
}
/** The refresh did not come to a decision; the session is kept and a later call tries again. */
export declare class SessionRefreshError extends SessionError {
    readonly name = "SessionRefreshError";
    readonly code = "SESSION_REFRESH_FAILED";
    /** How many requests were sent. */
    readonly attempts: number;
    /** The last answer's status; absent if there was no answer. */
    readonly status: number | undefined;
    constructor(facts: {
        attempts: number;
        status: number | undefined;
        cause: unknown;
    });
}
/** The API keeps answering with the session-expired status although every refresh succeeds. */
export declare class SessionLoopError extends SessionError {
    readonly name = "SessionLoopError";
    readonly code = "SESSION_LOOP";
    /** The last answer, unread. */
    readonly response: Response;
    constructor(response: Response);
}
/** Another user signed in while a call waited for a refresh to end. It was not sent, for it was not meant in that name. */
export declare class SessionReplacedError extends SessionError {
    readonly name = "SessionReplacedError";
    readonly code = "SESSION_REPLACED";
    constructor();
}
/** The server did not end the session; the page should say so and offer to try again. */
export declare class SignOutError extends SessionError {
    readonly name = "SignOutError";
    readonly code = "SIGN_OUT_FAILED";
    /** The answer's status; absent if there was no answer. */
    readonly status: number | undefined;
    /** How long the server asked to wait, in milliseconds. */
    readonly retryAfterMs: number | undefined;
    constructor(facts: {
        reason: string;
        status?: number;
        retryAfterMs?: number | undefined;
        cause?: unknown;
    });
}
