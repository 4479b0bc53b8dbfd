/**
 * Gives every new `XMLHttpRequest` to the API origin a session. It is the browser's own object: it is opened and sent again
 * after a refresh, and what it tells of a refused attempt is held back. Timeout, progress, `abort` and `responseType` are
 * therefore the browser's; a synchronous request cannot wait for a refresh and stays as it is.
 */

import type { Reply, SessionCalls } from "./contract.js";

type RequestClass = typeof XMLHttpRequest;
type OpenArguments = [method: string, url: string | URL, isAsync?: boolean, user?: string | null, password?: string | null];

const EVENTS = ["readystatechange", "loadstart", "progress", "load", "error", "abort", "timeout", "loadend"];
const HEADERS_RECEIVED = 2;
const DONE = 4;

/** One call, from `send` to the last event that the page gets, over as many attempts as it takes. */
interface Exchange {
  readonly cancel: AbortController;
  /** The page does not see what happens: the attempt was refused, or the next one has no answer yet. */
  isHidden: boolean;
  isRepeat: boolean;
  readonly toldOfUpload: Set<string>;
  answered: (reply: Reply) => void;
  loaded: () => void;
}

/** Make the class that a page gets: `native`, whose objects are equipped as long as `isActive`. */
export function createRequestClass(calls: SessionCalls, native: RequestClass, isActive: () => boolean): RequestClass {
  return new Proxy(native, {
    construct(target, given, newTarget) {
      const xhr = Reflect.construct(target, given, newTarget) as XMLHttpRequest;
      if (isActive()) equip(xhr, calls);
      return xhr;
    },
  });
}

function equip(xhr: XMLHttpRequest, { isOurs, isRefusal, run }: SessionCalls): void {
  const { open, send, setRequestHeader, abort, upload } = xhr; // Of the prototype, as somebody may have changed it.
  let opened: OpenArguments | undefined; // A session call that is still to be sent.
  let isForeign = false;
  let own = new Headers();
  let exchange: Exchange | undefined;

  // The first listeners of this object, so nobody else hears what they stop.
  for (const type of EVENTS) xhr.addEventListener(type, hear);

  function hear(event: Event): void {
    if (!exchange) return;
    const isState = event.type === "readystatechange";
    if (isState && xhr.readyState >= HEADERS_RECEIVED) {
      exchange.isHidden = isRefusal({ status: xhr.status, url: xhr.responseURL });
    }
    if (exchange.isHidden) event.stopImmediatePropagation();
    if (isState && xhr.readyState === HEADERS_RECEIVED) exchange.answered(replyOf(xhr));
    if (event.type === "loadend") exchange.isHidden ? exchange.loaded() : finish();
  }

  /** The page knows the outcome, or wants none. */
  function finish(): void {
    exchange?.answered(replyOf(xhr));
    exchange?.cancel.abort();
    exchange = undefined;
  }

  function tell(...types: string[]): void {
    finish();
    for (const type of types) xhr.dispatchEvent(new ProgressEvent(type));
  }

  async function complete(mine: Exchange, call: OpenArguments, body: Parameters<typeof send>[0]): Promise<void> {
    let loaded = Promise.resolve();

    function attempt(headers: Headers): Promise<Reply> {
      loaded = Promise.resolve();
      return new Promise((answered) => {
        const loading = new Promise<void>((resolve) => Object.assign(mine, { answered, loaded: resolve }));
        if (mine.isRepeat) open.apply(xhr, call as Parameters<typeof open>);
        headers.forEach((value, name) => setRequestHeader.call(xhr, name, value));
        xhr.withCredentials = true;
        send.call(xhr, body); // May throw, and then there is nothing to wait for.
        loaded = loading;
        mine.isRepeat = true;
      });
    }

    const { signal } = mine.cancel;
    const verdict = await run({ own, signal, send: attempt }).then(
      (answer) => answer.verdict,
      () => "failed",
    );
    if (verdict === "answered") return;
    await loaded;
    if (exchange !== mine) return;
    if (verdict === "ended" || verdict === "replaced") return tell("readystatechange", "load", "loadend");
    // No answer rather than "expired", which would send a signed-in user to the sign-in form.
    abort.call(xhr);
    tell("error", "loadend");
  }

  /** An upload begins once and ends once, in whichever attempt it gets that far. */
  function watchUpload(event: Event): void {
    const told = exchange?.toldOfUpload;
    if (told?.has("loadend") || (event.type === "loadstart" && told?.has("loadstart"))) event.stopImmediatePropagation();
    else told?.add(event.type);
  }

  Object.assign(xhr, {
    open(...given: OpenArguments) {
      finish();
      const isAsync = given.length < 3 || given[2];
      isForeign = !isOurs(given[1]);
      opened = isAsync && !isForeign ? given : undefined;
      own = new Headers();
      // Listening to an upload makes the browser ask another origin first.
      if (isForeign) for (const type of EVENTS) upload.removeEventListener(type, watchUpload);
      open.apply(xhr, given as Parameters<typeof open>);
    },
    setRequestHeader(name: string, value: string) {
      if (opened) own.append(name, value);
      else setRequestHeader.call(xhr, name, value);
    },
    send(body?: Parameters<typeof send>[0]) {
      const call = opened;
      if (!call) return send.call(xhr, body);
      opened = undefined;
      const nothing = () => undefined;
      const cancel = new AbortController();
      const toldOfUpload = new Set<string>();
      exchange = { cancel, isHidden: false, isRepeat: false, toldOfUpload, answered: nothing, loaded: nothing };
      void complete(exchange, call, body);
    },
    abort() {
      const isWaiting = exchange?.isHidden && xhr.readyState === DONE;
      abort.call(xhr);
      if (isWaiting) tell("abort", "loadend");
      else finish();
    },
  });
  Object.defineProperty(xhr, "upload", {
    get() {
      if (!isForeign) for (const type of EVENTS) upload.addEventListener(type, watchUpload);
      return upload;
    },
  });
}

function replyOf(xhr: XMLHttpRequest): Reply {
  const lines = [...xhr.getAllResponseHeaders().matchAll(/^([^:\r\n]+): ?(.*)$/gm)];
  const headers = new Headers(lines.map(([, name = "", value = ""]) => [name, value]));
  const { status, responseURL: url } = xhr;
  return { status, url, headers, ok: status >= 200 && status < 300 };
}
