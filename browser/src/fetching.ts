/** The client's `fetch`: which calls are the session's, and how they are sent through a given `fetch`. */

import type { Fetch, SessionCall, SessionCalls } from "./contract.js";
import { SessionLoopError } from "./errors.js";
import { addressOf, isAnonymous, mayHaveBody, repeatable, type RepeatableCall } from "./request.js";

/** Make a `fetch` with sessions out of one without. */
export function createFetch({ isOurs, run }: Pick<SessionCalls, "isOurs" | "run">, fetch: Fetch): Fetch {
  async function sessionFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    if (!isOurs(addressOf(input)) || isAnonymous(input, init)) return fetch(input, init);
    const call = repeatable(input, init);
    const { response, verdict } = await run(sendable(call instanceof Promise ? await call : call, fetch));
    // An error, not the response: a page that reads "expired" here would send a signed-in user to its sign-in form.
    if (verdict === "looping") throw new SessionLoopError(response);
    return response;
  }

  return sessionFetch;
}

export function sendable({ url, init }: RepeatableCall, fetch: Fetch): SessionCall<Response> {
  const send = (headers: Headers, more?: RequestInit) =>
    fetch(url, { ...init, ...more, headers, credentials: "include" });

  /**
   * Browsers take all headers but `Authorization` along to another origin, and say neither that nor where to. So the
   * anti-CSRF token goes where no redirect is followed, and a safe call that was redirected is followed without it.
   */
  async function sendGuarded(headers: Headers): Promise<Response> {
    if (init.redirect || !headers.has("anti-csrf")) return send(headers);
    const response = await send(headers, { redirect: "manual" });
    if (response.type !== "opaqueredirect") return response;
    if (mayHaveBody(init.method)) {
      throw new TypeError('Redirect not followed: { redirect: "follow" } takes anti-csrf along');
    }
    headers.delete("anti-csrf");
    return send(headers);
  }

  return { own: init.headers, signal: init.signal, send: sendGuarded };
}
