/** Puts the session's `fetch` and `XMLHttpRequest` in the place of the page's, and takes them away again. */

import type { SessionClient } from "./contract.js";
import { createRequestClass } from "./xhr.js";

const undoings = new WeakMap<object, () => void>();

/**
 * Have every `fetch` and `XMLHttpRequest` of the page treated like calls of `session`, until the returned function is called.
 * Doing it again changes nothing. Calls to other origins, synchronous requests and the session's own requests stay as
 * they are.
 */
export function intercept({ calls }: Pick<SessionClient, "calls">): () => void {
  const undo = undoings.get(calls) ?? begin();
  undoings.set(calls, undo);
  return undo;

  function begin(): () => void {
    let isActive = true;
    // What is in place now is called from below: wrappers of others see every request, the repeated ones too.
    const { fetch, XMLHttpRequest } = globalThis;
    const below = fetch.bind(globalThis);
    const through = calls.through(below);
    const ours = {
      fetch: (input: RequestInfo | URL, init?: RequestInit) => (isActive ? through : below)(input, init),
      XMLHttpRequest: createRequestClass(calls, XMLHttpRequest, () => isActive),
    };
    Object.assign(globalThis, ours);

    return function end(): void {
      isActive = false; // Somebody may have wrapped ours, and then it stays in place and passes everything on.
      if (globalThis.fetch === ours.fetch) globalThis.fetch = fetch;
      if (globalThis.XMLHttpRequest === ours.XMLHttpRequest) globalThis.XMLHttpRequest = XMLHttpRequest;
      if (undoings.get(calls) === end) undoings.delete(calls);
    };
  }
}
