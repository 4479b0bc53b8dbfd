/** Turns the arguments of fetch into something that can be sent more than once, each time as it was when it was given. */

import { SESSION_MARK } from "./headers.js";
import { unlessAborted } from "./waiting.js";

export interface RepeatableCall {
  /** Absolute: the page may have another address when the call is repeated. */
  readonly url: string;
  /** With `redirect` only if the caller chose something else than to follow, or said so explicitly. */
  readonly init: RequestInit;
  /** A request that must leave at once, with the body in it. */
  readonly first?: Request;
  /** The body for its repetition. */
  readonly spare?: Promise<Blob>;
}

/** The members of a Request that its copy needs; body and headers are copied separately. */
const COPIED = [
  "method", "mode", "cache", "referrer", "referrerPolicy", "integrity", "keepalive", "signal",
] as const;

export function addressOf(input: RequestInfo | URL): string | URL {
  return isRequest(input) ? input.url : input;
}

/** Has the caller asked for a call without credentials? */
export function isAnonymous(input: RequestInfo | URL, init: RequestInit | undefined): boolean {
  return (init?.credentials ?? (isRequest(input) ? input.credentials : undefined)) === "omit";
}

/** Was this request already made by a session client? */
export function isSessionRequest(input: RequestInfo | URL, init: RequestInit | undefined): boolean {
  return new Headers(init?.headers ?? (isRequest(input) ? input.headers : undefined)).has(SESSION_MARK);
}

/**
 * Make a call repeatable. A body that can be read only once is read now. Without one, and with `keepalive`, there is no
 * waiting, so that a last call on leaving the page is sent in time.
 */
export function repeatable(
  url: string,
  input: RequestInfo | URL,
  given: RequestInit = {},
): RepeatableCall | Promise<RepeatableCall> {
  const init = isRequest(input) ? fromRequest(input, given) : { ...given };
  init.headers = new Headers(init.headers); // The caller may change its own later.
  const call = { url, init };
  if (isRequest(input) && given.body == null && mayHaveBody(input.method)) {
    if (!init.keepalive) return withBody(call, input.blob());
    const spare = input.clone().blob();
    spare.catch(() => undefined); // Reported where it is used.
    return { ...call, first: input, spare };
  }
  if (given.body instanceof ReadableStream) return withBody(call, new Response(given.body).blob());
  if (given.body != null) init.body = copyOf(given.body);
  return call;
}

function fromRequest(request: Request, given: RequestInit): RequestInit {
  const copy: Record<string, unknown> = { headers: request.headers };
  for (const member of COPIED) copy[member] = request[member];
  if (request.redirect !== "follow") copy["redirect"] = request.redirect;
  for (const [member, value] of Object.entries(given)) {
    if (value !== undefined) copy[member] = value;
  }
  return copy;
}

async function withBody({ url, init }: RepeatableCall, reading: Promise<Blob>): Promise<RepeatableCall> {
  return { url, init: { ...init, body: bodyOf(await unlessAborted(init.signal, reading)) } };
}

/** A blob brings its own type where the headers name none, and a stream has none to bring. */
export function bodyOf(bytes: Blob): Blob | null {
  return bytes.size === 0 ? null : bytes.slice(0, bytes.size, "");
}

/** The body as it is now; the page may change its own. */
export function copyOf<B>(body: B): B {
  return copied(body) as B; // Each is copied as what it is.
}

function copied(body: unknown): unknown {
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (body instanceof FormData) return copyOfForm(body);
  if (body instanceof ArrayBuffer) return body.slice(0);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  if (globalThis.Document && body instanceof Document) return body.cloneNode(true);
  return body;
}

function copyOfForm(form: FormData): FormData {
  const copy = new FormData();
  for (const [name, value] of form) copy.append(name, value);
  return copy;
}

/** Is this a method that changes something, and takes a body along? */
export function mayHaveBody(method = "GET"): boolean {
  return !/^(GET|HEAD)$/i.test(method);
}

/** Recognised by its shape, because a Request may come from another frame. */
function isRequest(input: RequestInfo | URL): input is Request {
  return typeof input === "object" && input !== null && "url" in input;
}
