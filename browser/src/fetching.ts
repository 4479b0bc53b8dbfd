/** The client's `fetch`: which calls are the session's, and how they are sent through a given `fetch`. */

import type { Fetch, SessionCall, SessionCalls } from "./contract.js";
import { SessionLoopError } from "./errors.js";
import { addressOf, bodyOf, isAnonymous, isSessionRequest, mayHaveBody, repeatable, type RepeatableCall } from "./request.js";

type Calls = Pick<SessionCalls, "isOurs" | "resolve" | "run">;

/** Make a `fetch` with sessions out of one without; what is none of the session's business goes to `below` untouched. */
export function createFetch({ isOurs, resolve, run }: Calls, fetch: Fetch, below = fetch): Fetch {
  return async function sessionFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const address = addressOf(input);
    if (!isOurs(address) || isAnonymous(input, init)) return below(input, init);
    const call = repeatable(resolve(address), input, init);
    const { response, verdict } = await run(sendable(call instanceof Promise ? await call : call, fetch));
    // An error, not the response: a page that reads "expired" here would send a signed-in user to its sign-in form.
    if (verdict === "looping") throw new SessionLoopError(response);
    return response;
  };
}

/** Use `through` for calls that no session client has made yet, and `below` for the others. */
export function onlyOnce(isOurs: SessionCalls["isOurs"], through: Fetch, below: Fetch): Fetch {
  return async (input, init) => {
    const isMade = isOurs(addressOf(input)) && isSessionRequest(input, init);
    return (isMade ? below : through)(input, init);
  };
}

export function sendable({ url, init, first, spare }: RepeatableCall, fetch: Fetch): SessionCall<Response> {
  let isFirst = true;

  async function send(headers: Headers, to = url, more?: RequestInit): Promise<Response> {
    const all: RequestInit = { ...init, ...more, headers, credentials: "include" };
    if (!first || !spare) return fetch(to, all);
    if (!isFirst) return fetch(url, { ...all, body: bodyOf(await spare) });
    isFirst = false;
    return fetch(first, all);
  }

  /**
   * Browsers take all headers but `Authorization` along to another origin, and say neither that nor where to. So the
   * anti-CSRF token goes where no redirect is followed, and a safe call that was redirected is followed without it.
   */
  async function sendGuarded(headers: Headers, to?: string): Promise<Response> {
    // Without CORS the browser itself drops the token, and insists on following.
    if (init.redirect || init.mode === "no-cors" || !headers.has("anti-csrf")) return send(headers, to);
    const response = await send(headers, to, { redirect: "manual" });
    if (response.type !== "opaqueredirect") return response;
    if (mayHaveBody(init.method)) {
      throw new TypeError('Redirect not followed: { redirect: "follow" } takes anti-csrf along');
    }
    headers.delete("anti-csrf");
    return send(headers, to);
  }

  const mayChangeUser = mayHaveBody(init.method) && !init.keepalive; // Which would be lost by waiting.
  return { url, method: init.method, own: init.headers, signal: init.signal, mayChangeUser, send: sendGuarded };
}
