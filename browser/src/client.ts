/** Puts the parts together. */

import { createLookAhead } from "./ahead.js";
import { createAttempts } from "./attempts.js";
import { createCaller } from "./calls.js";
import type { Fetch, SessionCalls, SessionClient, SessionClientOptions } from "./contract.js";
import { createCookieTextStorage } from "./cookies.js";
import { browserEnvironment, isServer } from "./environment.js";
import { createEvents } from "./events.js";
import { createFetch, onlyOnce } from "./fetching.js";
import { createGate } from "./gate.js";
import { createInertClient } from "./inert.js";
import { readSettings } from "./options.js";
import { createProving } from "./proofs.js";
import { createRefresher } from "./refresh.js";
import { createSession } from "./session.js";
import { createLocalTextStorage } from "./text-storage.js";
import { createSignOut } from "./sign-out.js";
import { createState, isVisitor, type Snapshot } from "./state.js";
import { createTokens } from "./tokens.js";

/**
 * Create the session client of this page. Throws `TypeError` for invalid options. On a server, where there is no page, it
 * returns an inert client: its `fetch` is the plain one, and there is no session.
 */
export function createSessionClient(options: SessionClientOptions = {}): SessionClient {
  return isServer(options.environment) ? createInertClient() : createPageClient(options);
}

function createPageClient(options: SessionClientOptions): SessionClient {
  const environment = { ...browserEnvironment(options.apiDomain), ...options.environment };
  // The page may install the client's own fetch as window.fetch, which must not call itself.
  const below = options.environment?.fetch ?? globalThis.fetch?.bind(globalThis);
  const settings = readSettings(options, environment);
  const events = createEvents(environment);
  const storage = createLocalTextStorage(environment);
  const tokens = createTokens(storage, settings.transfer);
  const texts = settings.transfer === "header" ? storage : createCookieTextStorage(environment, settings);
  const state = createState(environment, texts, tokens);
  const attempts = createAttempts({ environment, settings });
  const { apiOrigin, refreshUrl, sessionExpiredStatus: expiredStatus } = settings;
  const proofs = options.dpop?.({ ...environment, apiOrigin, name: `reseal ${refreshUrl} keys`, expiredStatus });
  const proving = createProving(proofs, settings);
  const announce = environment.openChannel(`reseal ${settings.apiOrigin}`, () => void session.observe());
  const session = createSession({ state, tokens, attempts, proofs, events, announce: () => announce() });
  const gate = createGate(environment, settings);
  const refresher = createRefresher({ environment, settings, state, tokens, session, events, gate, attempts, proving });
  const lookAhead = createLookAhead({ environment, settings, state, refresher });
  const takeBack = () => again();
  const parts = { environment, settings, state, tokens, session, refresher, lookAhead, gate, attempts, proving, takeBack };
  const caller = createCaller(parts);
  const { signOut, pending, again } = createSignOut({ environment, settings, state, session, refresher, caller, gate });
  const rules = { maxRepeats: settings.maxRefreshesPerCall, precondition: pending };
  const closing = new AbortController();

  /** False for an address that the browser will refuse. */
  function isOurs(address: string | URL): boolean {
    const base = environment.baseUrl(); // Fails loudly where there is no document.
    try {
      return new URL(address, base).origin === settings.apiOrigin;
    } catch {
      return false;
    }
  }

  const resolve = (address: string | URL) => new URL(address, environment.baseUrl()).href;
  const run: SessionCalls["run"] = (call) => caller.call(call, rules);
  const through = (fetch: Fetch, rest = fetch) => createFetch({ isOurs, resolve, run }, fetch, rest);

  async function attemptRefreshingSession(): Promise<boolean> {
    await pending();
    if (session.observe().status === "none") return false;
    return (await refresher.refresh()) === "refreshed" && !isVisitor(state.snapshot());
  }

  async function doesSessionExist(): Promise<boolean> {
    const seen = session.observe();
    return seen.status === "unknown" ? attemptRefreshingSession() : seen.status === "exists" && !isVisitor(seen);
  }

  /** What the page may know: nothing of a visitor, or a page would take visitors for users. */
  function ofUser(): Partial<Snapshot> {
    const seen = state.snapshot();
    return isVisitor(seen) ? {} : seen;
  }

  function close(): void {
    announce.close?.();
    events.close();
    closing.abort();
  }

  function onClose(callback: () => void): void {
    if (closing.signal.aborted) callback();
    else closing.signal.addEventListener("abort", callback, { once: true });
  }

  return {
    fetch: onlyOnce(isOurs, through(environment.fetch, below), below),
    doesSessionExist,
    getUserId: () => ofUser().userId,
    getAccessTokenPayload: () => ofUser().payload,
    attemptRefreshingSession,
    signOut,
    on: events.on,
    close,
    calls: {
      apiOrigin: settings.apiOrigin,
      resolve,
      isOurs,
      isRefusal: caller.isRefusal,
      run,
      through: (fetch) => through(fetch),
      onClose,
    },
  };
}
