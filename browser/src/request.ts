/** Turns the arguments of fetch into something that can be sent more than once. */

export interface RepeatableCall {
  readonly url: string;
  /** With `redirect` only if the caller chose something else than to follow, or said so explicitly. */
  readonly init: RequestInit;
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

/**
 * Make a call repeatable. A body that can be read only once is read now; without one there is no waiting, so that a
 * last call on leaving the page is sent in time.
 */
export function repeatable(input: RequestInfo | URL, init: RequestInit = {}): RepeatableCall | Promise<RepeatableCall> {
  const call = isRequest(input) ? fromRequest(input, init) : { url: String(input), init: { ...init } };
  call.init.headers = new Headers(call.init.headers); // The caller may change its own later.
  if (isRequest(input) && init.body == null && mayHaveBody(input.method)) return withBody(call, input.blob());
  if (init.body instanceof ReadableStream) return withBody(call, new Response(init.body).blob());
  return call;
}

function fromRequest(request: Request, init: RequestInit): { url: string; init: RequestInit } {
  const copy: Record<string, unknown> = { headers: request.headers };
  for (const member of COPIED) copy[member] = request[member];
  if (request.redirect !== "follow") copy["redirect"] = request.redirect;
  for (const [member, value] of Object.entries(init)) {
    if (value !== undefined) copy[member] = value;
  }
  return { url: request.url, init: copy };
}

async function withBody(call: RepeatableCall, reading: Promise<Blob>): Promise<RepeatableCall> {
  const bytes = await reading;
  // A blob brings its own type where the headers name none, and a stream has none to bring.
  const body = bytes.size === 0 ? null : bytes.slice(0, bytes.size, "");
  return { url: call.url, init: { ...call.init, body } };
}

/** Is this a method that changes something, and takes a body along? */
export function mayHaveBody(method = "GET"): boolean {
  return !/^(GET|HEAD)$/i.test(method);
}

/** Recognised by its shape, because a Request may come from another frame. */
function isRequest(input: RequestInfo | URL): input is Request {
  return typeof input === "object" && "url" in input;
}
