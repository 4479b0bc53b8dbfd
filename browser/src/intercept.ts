/** Puts the session's `fetch` and `XMLHttpRequest` in the place of the page's, and takes them away again. */

import type { Fetch, SessionCalls, SessionClient } from "./contract.js";
import { onlyOnce } from "./fetching.js";
import { createRequestClass } from "./xhr.js";

/** One that is in force, or waits for those before it to end. */
interface Interception {
  readonly calls: SessionCalls;
  begin(): void;
  end(): void;
}

/**
 * Have every `fetch` and `XMLHttpRequest` of the page treated like calls of `session`, until the returned function is called
 * or the session's client is closed. Doing it again changes nothing; with another client for the same API the first stays in
 * force until it ends, and then the other takes over. Calls to other origins, synchronous requests and the session's own
 * requests stay as they are. On a server it does nothing.
 */
export function intercept({ calls }: Pick<SessionClient, "calls">): () => void {
  if (calls.apiOrigin === undefined) return () => undefined;
  const queue = queueFor(calls.apiOrigin);
  const known = queue.find((each) => each.calls === calls);
  if (known) return known.end;
  const ours: Interception = { calls, begin: () => (undo = install(calls)), end };
  let undo = () => undefined as void;

  function end(): void {
    const place = queue.indexOf(ours);
    if (place < 0) return;
    queue.splice(place, 1);
    undo();
    if (place === 0) queue[0]?.begin();
  }

  queue.push(ours);
  if (queue.length === 1) ours.begin();
  calls.onClose(end);
  return end;
}

/** The interceptions of one API, the first of which is in force. Every copy of this script in the page knows them. */
function queueFor(apiOrigin: string): Interception[] {
  const page = globalThis as { [ALL]?: Map<string, Interception[]> };
  const all = (page[ALL] ??= new Map());
  if (!all.has(apiOrigin)) all.set(apiOrigin, []);
  return all.get(apiOrigin)!;
}

const ALL = Symbol.for("reseal-browser interceptions");

function install(calls: SessionCalls): () => void {
  let isActive = true;
  // What is in place now is called from below: wrappers of others see every request, the repeated ones too.
  const { fetch, XMLHttpRequest } = globalThis;
  const below: Fetch = fetch.bind(globalThis);
  const through = onlyOnce(calls.isOurs, calls.through(below), below);
  const ourFetch: Fetch = (input, init) => (isActive ? through : below)(input, init);
  const OurRequest = XMLHttpRequest && createRequestClass(calls, XMLHttpRequest, () => isActive);
  const takeBack = [put("fetch", ourFetch), OurRequest && put("XMLHttpRequest", OurRequest)];

  return function undo(): void {
    isActive = false; // Somebody may have wrapped ours, and then it stays in place and passes everything on.
    for (const take of takeBack) take?.();
  };
}

/** Replace a global of the page, even if it is not assignable. */
function put(name: "fetch" | "XMLHttpRequest", ours: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, enumerable: true, writable: true, value: ours });
  return () => {
    if (globalThis[name] === ours && before) Object.defineProperty(globalThis, name, before);
  };
}
