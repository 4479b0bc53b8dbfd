/**
 * The session inside a service worker: every `fetch` and `XMLHttpRequest` of its pages to the API origin gets the tokens
 * here, after it has left the page, and every answer loses them before it gets there.
 *
 * What this keeps from page scripts, and what it does not, is told in the README.
 */

import { createSessionClient } from "./client.js";
import type { Environment, SessionClientOptions, SessionEvents } from "./contract.js";
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
   * Keep the session when the browser stops the worker, where a script that is made for it can get at the tokens.
   * Default: false; the tokens live in the worker's memory alone, and the user signs in again when it was stopped.
   */
  persist?: boolean;
  /** Replacements for what the browser provides; meant for tests. */
  environment?: Partial<WorkerEnvironment>;
}

/** What the worker takes from its host; some of a page's environment is of no use to it. */
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

/** Answers a page's request to the API; undefined for a request that is none of ours. */
export type SessionResponder = (request: Request) => Promise<Response> | undefined;

/** What has no body must not be given one. */
const WITHOUT_BODY = new Set([101, 103, 204, 205, 304]);
/** The answer to a page whose refresh came to no decision here: not one after which it tries again by itself. */
const FAILED_DEPENDENCY = 424;

/** Take part in this service worker's `fetch` events. To be called while its script is first run. */
export function startSessionWorker(options: SessionWorkerOptions = {}): void {
  const respond = createSessionResponder(options);
  addEventListener("fetch", (event) => {
    const answer = respond((event as FetchEvent).request);
    if (answer) (event as FetchEvent).respondWith(answer);
  });
  // Pages that were there first are served as well, and those reloaded without a worker, which say so by any message. A
  // message also puts off the time at which an idle worker is stopped. None is answered.
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
    locks: undefined,
    openChannel: () => () => undefined,
    // A token is used only after it is safe from the end of this worker.
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
      return Response.error(); // To the page, the network has failed; the session is kept.
    } finally {
      await memory.settled();
    }
  }

  /** To the page the last answer says more than an error could. */
  function refusedForEver(error: unknown): Response {
    if (error instanceof SessionLoopError) return error.response;
    throw error;
  }

  /** The answer for the page, with news of the session in the place of tokens. */
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

  /** The front token, if it is new since the call began or has not been told since; a redirected answer tells none. */
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
    return json({ message, reason: end?.serverReason }, sessionExpiredStatus, "remove");
  }

  return respond;
}

/** An answer made here. An empty front token says nothing. */
function json(body: object, status: number, frontToken: string): Response {
  const headers = { "content-type": "application/json", "front-token": frontToken };
  return new Response(JSON.stringify(body), { status, headers });
}
