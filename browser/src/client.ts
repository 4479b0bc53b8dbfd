/** Puts the parts together. */

import { createLookAhead } from "./ahead.js";
import { createCaller } from "./calls.js";
import type { Fetch, SessionCalls, SessionClient, SessionClientOptions } from "./contract.js";
import { createCookieShelf } from "./cookies.js";
import { browserEnvironment } from "./environment.js";
import { createEvents } from "./events.js";
import { createFetch } from "./fetching.js";
import { readSettings } from "./options.js";
import { createRefresher } from "./refresh.js";
import { createSession } from "./session.js";
import { createStorageShelf } from "./shelf.js";
import { createSignOut } from "./sign-out.js";
import { createState } from "./state.js";
import { createTokens } from "./tokens.js";

/** Make the session client of this page. Raises `TypeError` for options that cannot work. */
export function createSessionClient(options: SessionClientOptions = {}): SessionClient {
  const environment = { ...browserEnvironment(), ...options.environment };
  const settings = readSettings(options, environment);
  const events = createEvents(environment);
  const storage = createStorageShelf(environment);
  const tokens = createTokens(storage, settings.transfer);
  const shelf = settings.transfer === "header" ? storage : createCookieShelf(environment);
  const state = createState(environment, shelf, tokens);
  const announce = environment.openChannel(`reseal ${settings.apiOrigin}`, () => void session.observe());
  const session = createSession({ state, tokens, events, announce });
  const refresher = createRefresher({ environment, settings, state, tokens, session, events });
  const lookAhead = createLookAhead({ environment, settings, state, refresher });
  const caller = createCaller({ settings, state, tokens, session, refresher, lookAhead });
  const { signOut, pending } = createSignOut({ environment, settings, state, session, refresher, caller });
  const rules = { maxRepeats: settings.maxRefreshesPerCall, precondition: pending };

  /** False for an address that the browser will refuse. */
  function isOurs(address: string | URL): boolean {
    const base = environment.baseUrl(); // Fails loudly where there is no document.
    try {
      return new URL(address, base).origin === settings.apiOrigin;
    } catch {
      return false;
    }
  }

  const run: SessionCalls["run"] = (call) => caller.call(call, rules);
  const through = (fetch: Fetch) => createFetch({ isOurs, run }, fetch);

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
    fetch: through(environment.fetch),
    doesSessionExist,
    getUserId: () => state.frontToken().userId,
    getAccessTokenPayload: () => state.frontToken().payload,
    attemptRefreshingSession,
    signOut,
    on: events.on,
    calls: { isOurs, isRefusal: caller.isRefusal, run, through },
  };
}
