/** Puts the parts together. */

import { createCaller } from "./calls.js";
import type { SessionClient, SessionClientOptions } from "./contract.js";
import { browserEnvironment } from "./environment.js";
import { SessionLoopError } from "./errors.js";
import { createEvents } from "./events.js";
import { readSettings } from "./options.js";
import { createRefresher } from "./refresh.js";
import { isAnonymous, repeatable, targetOrigin } from "./request.js";
import { createSession } from "./session.js";
import { createSignOut } from "./sign-out.js";
import { createState } from "./state.js";

/** Make the session client of this page. Raises `TypeError` for options that cannot work. */
export function createSessionClient(options: SessionClientOptions = {}): SessionClient {
  const environment = { ...browserEnvironment(), ...options.environment };
  const settings = readSettings(options, environment);
  const events = createEvents(environment);
  const state = createState(environment);
  const session = createSession(state, events);
  const refresher = createRefresher({ environment, settings, state, session, events });
  const caller = createCaller({ environment, settings, state, session, refresher });
  const { signOut, pending } = createSignOut({ environment, settings, session, refresher, caller });
  const rules = { maxRepeats: settings.maxRefreshesPerCall, precondition: pending };

  async function sessionFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    if (!isSessionCall(input, init)) return environment.fetch(input, init);
    const call = repeatable(input, init);
    const { response, verdict } = await caller.call(call instanceof Promise ? await call : call, rules);
    // An error, not the response: a page that reads "expired" here would send a signed-in user to its sign-in form.
    if (verdict === "looping") throw new SessionLoopError(response);
    return response;
  }

  function isSessionCall(input: RequestInfo | URL, init: RequestInit | undefined): boolean {
    return targetOrigin(input, environment.baseUrl()) === settings.apiOrigin && !isAnonymous(input, init);
  }

  async function attemptRefreshingSession(): Promise<boolean> {
    await pending();
    if (session.observe().status === "none") return false;
    return (await refresher.refresh()) === "refreshed";
  }

  async function doesSessionExist(): Promise<boolean> {
    const { status } = session.observe();
    return status === "unknown" ? attemptRefreshingSession() : status === "exists";
  }

  return {
    fetch: sessionFetch,
    doesSessionExist,
    getUserId: () => state.frontToken().userId,
    getAccessTokenPayload: () => state.frontToken().payload,
    attemptRefreshingSession,
    signOut,
    on: events.on,
  };
}
