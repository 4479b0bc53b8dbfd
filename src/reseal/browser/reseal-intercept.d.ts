/*! reseal-browser 0.1.0 | Apache-2.0 */

import type { SessionClient } from "./reseal-browser.js";

/**
 * Have every `fetch` and `XMLHttpRequest` of the page treated like calls of `session`, until the returned function is called.
 * Doing it again changes nothing. Calls to other origins, synchronous requests and the session's own requests stay as
 * they are.
 */
export declare function intercept({ calls }: Pick<SessionClient, "calls">): () => void;
