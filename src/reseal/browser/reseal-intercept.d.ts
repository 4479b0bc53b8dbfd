/*! reseal-browser 0.1.0 | Apache-2.0 */

import type { SessionClient } from "./reseal-browser.js";

/**
 * Have every `fetch` and `XMLHttpRequest` of the page treated like calls of `session`, until the returned function is called
 * or the session's client is closed. Doing it again changes nothing; with another client for the same API the first stays in
 * force until it ends, and then the other takes over. Calls to other origins, synchronous requests and the session's own
 * requests stay as they are. On a server it does nothing.
 */
export declare function intercept({ calls }: Pick<SessionClient, "calls">): () => void;
