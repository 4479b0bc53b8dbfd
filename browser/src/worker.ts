/**
 * The session inside a service worker: every `fetch` and `XMLHttpRequest` of its pages to the API origin gets the tokens
 * here, after it has left the page, and every answer loses them before it gets there.
 *
 * The README lists what this hides from page scripts, and what it cannot.
 */

import { createSessionClient } from "./client.js";
import type { Environment, SessionClientOptions, SessionEvents } from "./contract.js";
import { createKeysInMemory } from "./device-keys.js";
import { browserEnvironment } from "./environment.js";
import { readSettings } from "./options.js";
import { SessionLoopError } from "./errors.js";
import type { SessionRecord } from "./record.js";
import { createSealedRecord } from "./sealed-record.js";
import { FRONT_TOKEN } from "./state.js";
import { ACCESS_TOKEN, REFRESH_TOKEN } from "./tokens.js";
import { createWorkerMemory } from "./worker-memory.js";

/** What a worker may configure; the pages' own clients take the same values and `tokenTransferMethod: "header"`. */
export interface SessionWorkerOptions
  extends Omit<SessionClientOptions, "tokenTransferMethod" | "refreshAheadMs" | "environment"> {
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

/** The parts of a service worker's events and of its global object that are used. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
declare const clients: { claim(): Promise<void> };

/** Answers a page's request to the API; undefined for any other request. */
export type SessionResponder = (request: Request) => Promise<Response> | undefined;

/** Statuses whose responses must not have a body. */
const WITHOUT_BODY = new Set([101, 103, 204, 205, 304]);
/** The response to a page whose refresh failed without a decision: not a status that the page would retry. */
const FAILED_DEPENDENCY = 424;

/** Take part in this service worker's `fetch` events. To be called while its script is first run. */
export function startSessionWorker(options: SessionWorkerOptions = {}): void {
  const respond = createSessionResponder(options);
  addEventListener("fetch", (event) => {
    const answer = respond((event as FetchEvent).request);
    if (answer) (event as FetchEvent).respondWith(answer);
  });
  // Pages opened before the worker are served as well, and so are pages reloaded without it, which send any message. A
  // message also postpones the stop of an idle worker. Messages get no reply.
  const serveAll = (event: Event) => (event as ExtendableEvent).waitUntil(clients.claim());
  addEventListener("activate", serveAll);
  addEventListener("message", serveAll);
}

/** The same without the events, for a worker that answers requests its own way. */
export function createSessionResponder(options: SessionWorkerOptions = {}): SessionResponder {
  const host: WorkerEnvironment = { ...browserEnvironment(), baseUrl: () => location.href, ...options.environment };
  const { refreshUrl, sessionExpiredStatus } = readSettings(options, host);
  const record = options.persist ? (host.record ?? createSealedRecord(`reseal ${refreshUrl}`)) : undefined;
  const memory = createWorkerMemory(record, host.reportError);
  const environment: Environment = {
    ...host,
    storage: () => memory,
    // As long-lived as the tokens, and like them out of reach of the pages' scripts.
    ...(!options.persist && { keys: createKeysInMemory() }),
    locks: undefined,
    openChannel: () => () => undefined,
    // A token is used only after it would survive the end of this worker.
    fetch: (input, init) => memory.settled().then(() => host.fetch(input, init)),
  };
  const client = createSessionClient({ ...options, tokenTransferMethod: "header", environment });
  const sessionFetch = client.calls.through(environment.fetch);
  let isUntold = false;
  let end: SessionEvents["SESSION_EXPIRED"] | undefined;
  client.on("SESSION_EXPIRED", (detail) => (end = detail));

  function respond(request: Request): Promise<Response> | undefined {
    if (!isSessionCall(request)) return undefined;
    return request.url === refreshUrl ? refresh() : call(request);
  }

  /** Pages' scripts only: the browser's own loads cannot carry tokens and need none. */
  function isSessionCall({ url, destination, mode, credentials }: Request): boolean {
    const isReadable = mode === "cors" || mode === "same-origin";
    return destination === "" && isReadable && credentials !== "omit" && client.calls.isOurs(url);
  }

  async function call(request: Request): Promise<Response> {
    await memory.opened();
    const before = memory.getItem(FRONT_TOKEN);
    try {
      const response = await sessionFetch(request).catch(refusedForEver);
      return withoutTokens(response, before);
    } catch {
      return Response.error(); // A network error to the page; the session is kept.
    } finally {
      await memory.settled();
    }
  }

  /** The last response tells the page more than an error could. */
  function refusedForEver(error: unknown): Response {
    if (error instanceof SessionLoopError) return error.response;
    throw error;
  }

  /** The response for the page, with the session's changes in place of the tokens. */
  function withoutTokens(response: Response, before: string | null): Response {
    const isElsewhere = response.url !== "" && !client.calls.isOurs(response.url);
    if (isElsewhere || response.type === "opaqueredirect") return response;
    const news = newsFor(response, before);
    const hasTokens = [ACCESS_TOKEN, REFRESH_TOKEN].some((name) => response.headers.has(name));
    if (!hasTokens && news === null) return response; // A copy has no address of its own, and was never redirected.
    const headers = new Headers(response.headers);
    headers.delete(ACCESS_TOKEN);
    headers.delete(REFRESH_TOKEN);
    if (news !== null) headers.set("front-token", news);
    const { status, statusText } = response;
    return new Response(WITHOUT_BODY.has(status) ? null : response.body, { status, statusText, headers });
  }

  /** The front token, if it is new since the call began or not yet reported; undefined for redirected responses. */
  function newsFor({ redirected }: Response, before: string | null): string | null {
    const now = memory.getItem(FRONT_TOKEN);
    if (now !== before) isUntold = true;
    if (!isUntold || redirected) return null;
    isUntold = false;
    return now;
  }

  /** A page's client asks to refresh: it joins the one refresh that all pages share. */
  async function refresh(): Promise<Response> {
    await memory.opened();
    try {
      if (!(await client.attemptRefreshingSession())) return ended();
      return json({}, 200, memory.getItem(FRONT_TOKEN) ?? "");
    } catch {
      return json({ message: "the session could not be refreshed" }, FAILED_DEPENDENCY, "");
    } finally {
      await memory.settled();
    }
  }

  function ended(): Response {
    const message = end?.reason === "token-theft" ? "token theft detected" : "unauthorised";
    return json({ message, reason: end?.serverReason, note: end?.serverNote }, sessionExpiredStatus, "remove");
  }

  return respond;
}

/** An answer made here. An empty front token says nothing. */
function json(body: object, status: number, frontToken: string): Response {
  const headers = { "content-type": "application/json", "front-token": frontToken };
  return new Response(JSON.stringify(body), { status, headers });
}
