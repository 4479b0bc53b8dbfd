/*! reseal-browser 0.1.0 | Apache-2.0 */

/** Make the session client of this page. Raises `TypeError` for options that cannot work. */
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
    /** How often one call may be repeated after a refresh before it fails with `SessionLoopError`. Default: 3. */
    maxRefreshesPerCall?: number;
    /** Replacements for what the browser provides; meant for tests and unusual hosts. */
    environment?: Partial<Environment>;
}
export interface SessionClient {
    /**
     * Call like `window.fetch`. Calls to the API origin carry the session and are repeated after a refresh; all others
     * go through untouched, and so do calls with `credentials: "omit"`.
     *
     * Rejects with `SessionRefreshError` when the refresh could not be completed (the session is kept), and with
     * `SessionLoopError` when the API keeps refusing freshly refreshed sessions.
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
    /** Call `listener` on every `event` of this tab, until the returned function is called. */
    on<E extends SessionEventName>(event: E, listener: SessionListener<E>): () => void;
}
/** Each event with what its listeners are told. */
export interface SessionEvents {
    /** A response brought a session which this tab did not know. */
    SESSION_CREATED: {
        userId: string | undefined;
    };
    /** A refresh in this tab succeeded. */
    REFRESH_SESSION: {
        userId: string | undefined;
    };
    /** The session ended on request. */
    SIGN_OUT: {
        userId: string | undefined;
    };
    /** A session this tab knew is over; told once, however many calls were waiting. */
    SESSION_EXPIRED: {
        userId: string | undefined;
        reason: SessionEndReason;
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
/** `refused`: by the server; `token-theft`: see `TOKEN_THEFT`; `elsewhere`: another tab signed out or was refused. */
export type SessionEndReason = "refused" | "token-theft" | "elsewhere";
/** Everything the client takes from its host: time, chance, network, cookies and tabs. */
export interface Environment {
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Milliseconds since 1970. Only used to make one marker differ from the last, never compared with server time. */
    now(): number;
    /** A number from 0 up to, not including, 1. */
    random(): number;
    /** Call back once after `delayMs`, unless the returned function is called first. */
    setTimer(callback: () => void, delayMs: number): () => void;
    /** All readable cookies, as `document.cookie` gives them. */
    readCookies(): string;
    /** Write one cookie, as an assignment to `document.cookie` does. */
    writeCookie(cookie: string): void;
    /** The page's address. */
    pageUrl(): string;
    /** The address against which relative request addresses are resolved. */
    baseUrl(): string;
    isOnline(): boolean;
    /** Call back when the host comes online, unless the returned function is called first. */
    onceOnline(callback: () => void): () => void;
    /** The tabs' common locks, if the host has any. */
    locks: SessionLocks | undefined;
    /** Take an error thrown by a listener; it must not disturb the session. */
    reportError(error: unknown): void;
}
/** The one form of `navigator.locks.request` that is used. */
export interface SessionLocks {
    request(name: string, options: {
        signal: AbortSignal;
    }, holder: () => Promise<void>): Promise<unknown>;
}

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
