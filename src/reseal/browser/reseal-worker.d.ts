/*! reseal-browser 0.1.0 | Apache-2.0 */

import type { Environment, SessionClientOptions } from "./reseal-browser.js";

/** What a worker may configure; the pages' own clients take the same values and `tokenTransferMethod: "header"`. */
export interface SessionWorkerOptions extends Omit<SessionClientOptions, "tokenTransferMethod" | "refreshAheadMs" | "environment"> {
    /**
     * Keep the session when the browser stops the worker; a script written for the purpose can then use the tokens.
     * Default: false; the tokens live in the worker's memory only, and the user signs in again after it was stopped.
     */
    persist?: boolean;
    /** Replacements for browser functions; meant for tests. */
    environment?: Partial<WorkerEnvironment>;
}
/** The worker's environment; it does not use all of a page's. */
export interface WorkerEnvironment extends Environment {
    /** Where the session outlives the worker. */
    record?: SessionRecord;
}
/** Answers a page's request to the API; undefined for any other request. */
export type SessionResponder = (request: Request) => Promise<Response> | undefined;
/** Take part in this service worker's `fetch` events. To be called while its script is first run. */
export declare function startSessionWorker(options?: SessionWorkerOptions): void;
/** The same without the events, for a worker that answers requests its own way. */
export declare function createSessionResponder(options?: SessionWorkerOptions): SessionResponder;

export interface SessionRecord {
    /** Give what was saved last; nothing if nothing was. */
    load(): Promise<[name: string, value: string][]>;
    save(entries: [name: string, value: string][]): Promise<void>;
}
