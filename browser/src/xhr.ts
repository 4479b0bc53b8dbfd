/**
 * Adds the session to every new `XMLHttpRequest` to the API origin. The page's own object makes the first attempt. If it is
 * refused, its events are withheld; each retry is a new request, whose events the page's object emits as its own. So every
 * object of the browser is sent once, and wrappers that others put around `send` complete. A synchronous request cannot
 * wait for a refresh and is left unchanged.
 */

import type { Reply, SessionCalls } from "./contract.js";
import { SESSION_MARK } from "./headers.js";
import { copyOf, mayHaveBody } from "./request.js";
import { blank, replyOf, SHOWN, type View, viewOf } from "./xhr-view.js";

type RequestClass = typeof XMLHttpRequest;
type Body = Parameters<XMLHttpRequest["send"]>[0];
type OpenArguments = [method: string, url: string | URL, isAsync?: boolean, user?: string | null, password?: string | null];

const EVENTS = ["readystatechange", "loadstart", "progress", "load", "error", "abort", "timeout", "loadend"];
const HEADERS_RECEIVED = 2;

/** One call, from `send` to the last event that the page gets, over as many attempts as it takes. */
interface Exchange {
  readonly cancel: AbortController;
  readonly began: number;
  readonly toldOfUpload: Set<string>;
  /** Events are hidden from the page: the attempt was refused, or may not begin yet. */
  isHidden: boolean;
  /** The request in progress, or the last one refused; at first the page's own object. */
  view: View;
  repetition: XMLHttpRequest | undefined;
  answered: (reply: Reply) => void;
  stopTimer: () => void;
}

/** Make the class that a page gets: `native`, whose objects are equipped as long as `isActive`. */
export function createRequestClass(calls: SessionCalls, native: RequestClass, isActive: () => boolean): RequestClass {
  return new Proxy(native, {
    construct(target, given, newTarget) {
      const xhr = Reflect.construct(target, given, newTarget) as XMLHttpRequest;
      if (isActive()) equip(xhr, calls, native);
      return xhr;
    },
  });
}

function equip(xhr: XMLHttpRequest, { isOurs, isRefusal, resolve, run }: SessionCalls, native: RequestClass): void {
  // From the prototype, because other code may have wrapped it.
  const { open, send, setRequestHeader, overrideMimeType, abort, upload } = xhr;
  const self = viewOf(xhr);
  let shown = self;
  let opened: OpenArguments | undefined; // A session call that is still to be sent.
  let isForeign = false;
  let own = new Headers();
  let mimeType: string | undefined;
  let exchange: Exchange | undefined;
  let isTelling = false;
  let isSilent = false;

  // The first listeners of this object, so they can stop events before all others.
  for (const type of EVENTS) xhr.addEventListener(type, hearOwn);

  function hearOwn(event: Event): void {
    if (isTelling || (!exchange && !isSilent)) return;
    if (!exchange || isSilent || !hear(exchange, self, event.type)) event.stopImmediatePropagation();
  }

  /** Handle a request's event. Returns whether the page may see it. */
  function hear(mine: Exchange, view: View, type: string): boolean {
    const isAnswer = type === "readystatechange" && view.readyState === HEADERS_RECEIVED;
    const reply = () => replyOf(view, xhr.responseType);
    if (isAnswer && isRefusal(reply())) hide(mine);
    else if (isAnswer) mine.answered(reply());
    if (type === "loadend") mine.isHidden ? mine.answered(reply()) : finish();
    return !mine.isHidden;
  }

  function hide(mine: Exchange): void {
    mine.isHidden = true;
    shown = blank(1, xhr.responseType);
    if (!xhr.timeout) return;
    const timer = setTimeout(() => fail(mine, "timeout"), remaining(mine));
    mine.stopTimer = () => clearTimeout(timer);
  }

  function show(mine: Exchange, view: View): void {
    mine.stopTimer();
    mine.isHidden = false;
    shown = mine.view = view;
  }

  /** The rest of the page's timeout; never 0, which would mean none. */
  function remaining({ began }: Exchange): number {
    return Math.max(1, xhr.timeout - (Date.now() - began));
  }

  function isLate({ began }: Exchange): boolean {
    return xhr.timeout > 0 && Date.now() - began >= xhr.timeout;
  }

  /** The page has the outcome, or has aborted. */
  function finish(): void {
    const mine = exchange;
    exchange = undefined;
    mine?.stopTimer();
    mine?.cancel.abort();
    mine?.answered(replyOf(blank(0, ""), ""));
  }

  function tell(...events: Event[]): void {
    for (const event of events) {
      isTelling = true;
      xhr.dispatchEvent(event);
      isTelling = false;
    }
  }

  function tellEnd(type: string): void {
    finish();
    tell(new Event("readystatechange"), new ProgressEvent(type), new ProgressEvent("loadend"));
  }

  /** End without an answer. */
  function fail(mine: Exchange, type: string): void {
    if (exchange !== mine) return;
    silently(() => abort.call(xhr));
    shown = blank(4, xhr.responseType);
    tellEnd(type);
  }

  function silently(work: () => void): void {
    isSilent = true;
    work();
    isSilent = false;
  }

  async function complete(mine: Exchange, call: OpenArguments, body: Body): Promise<void> {
    let isFirst = true;

    function attempt(headers: Headers, to?: string): Promise<Reply> {
      return new Promise((answered, refuse) => {
        if (mine.cancel.signal.aborted) return refuse(mine.cancel.signal.reason);
        mine.answered = answered;
        if (isFirst) begin(headers);
        else repeat(headers, to);
        isFirst = false;
      });
    }

    function begin(headers: Headers): void {
      show(mine, self);
      headers.forEach((value, name) => setRequestHeader.call(xhr, name, value));
      xhr.withCredentials = true;
      send.call(xhr, body); // May throw, and then there is nothing to wait for.
    }

    function repeat(headers: Headers, to = call[1]): void {
      const again = (mine.repetition = new native());
      const [method, , ...others] = call;
      again.open(...([method, to, ...others] as unknown as Parameters<typeof again.open>));
      headers.forEach((value, name) => again.setRequestHeader(name, value));
      if (mimeType !== undefined) again.overrideMimeType(mimeType);
      again.responseType = xhr.responseType;
      again.withCredentials = true;
      if (xhr.timeout) again.timeout = remaining(mine);
      follow(mine, again);
      show(mine, again);
      again.send(body);
    }

    const { signal } = mine.cancel;
    const [method, url] = call;
    const mayChangeUser = mayHaveBody(method);
    const isAnswered = await run({ method, url: String(url), own, signal, mayChangeUser, send: attempt }).then(
      ({ verdict }) => verdict !== "looping",
      () => false,
    );
    if (exchange !== mine || (isAnswered && !mine.isHidden)) return;
    // A network error, not "expired", which would send a signed-in user to the sign-in form.
    if (!isAnswered || mine.view.status === 0) return fail(mine, isLate(mine) ? "timeout" : "error");
    show(mine, mine.view);
    tellEnd("load");
  }

  /** Forward a retry's event to the page. */
  function follow(mine: Exchange, again: XMLHttpRequest): void {
    for (const type of EVENTS) {
      again.addEventListener(type, (event) => {
        if (exchange === mine && hear(mine, again, type) && type !== "loadstart") tell(copyOfEvent(event));
      });
      again.upload.addEventListener(type, (event) => {
        if (exchange === mine && isNewsOfUpload(mine, type)) upload.dispatchEvent(copyOfEvent(event));
      });
    }
  }

  /** An upload begins once and ends once, in whichever attempt it gets that far. */
  function isNewsOfUpload({ toldOfUpload: told }: Exchange, type: string): boolean {
    if (told.has("loadend") || (type === "loadstart" && told.has(type))) return false;
    told.add(type);
    return true;
  }

  function watchUpload(event: Event): void {
    const isOwn = exchange && !exchange.repetition;
    if (isOwn && !isNewsOfUpload(exchange!, event.type)) event.stopImmediatePropagation();
  }

  define(xhr, {
    open(...given: OpenArguments) {
      const old = exchange;
      finish();
      old?.repetition?.abort();
      shown = self;
      opened = undefined;
      open.apply(xhr, given as Parameters<typeof open>);
      const [method, address, isAsync = true, ...others] = given;
      isForeign = !isOurs(address);
      if (isAsync && !isForeign) opened = [method, resolve(address), true, ...others];
      own = new Headers();
      mimeType = undefined;
      // A listener on the upload makes the browser send a preflight to another origin.
      if (isForeign) for (const type of EVENTS) upload.removeEventListener(type, watchUpload);
    },
    setRequestHeader(name: string, value: string) {
      if (opened) own.append(name, value);
      else setRequestHeader.call(xhr, name, value);
    },
    overrideMimeType(type: string) {
      overrideMimeType.call(xhr, type);
      mimeType = type;
    },
    send(body?: Body) {
      const call = opened;
      if (exchange) throw new DOMException("The request is on its way.", "InvalidStateError");
      opened = undefined;
      if (!call || own.has(SESSION_MARK)) {
        own.forEach((value, name) => setRequestHeader.call(xhr, name, value));
        return send.call(xhr, body);
      }
      const nothing = () => undefined;
      const mine: Exchange = (exchange = {
        cancel: new AbortController(),
        began: Date.now(),
        toldOfUpload: new Set(),
        isHidden: false,
        view: self,
        repetition: undefined,
        answered: nothing,
        stopTimer: nothing,
      });
      hide(mine); // Until it may be sent, usually at once.
      void complete(mine, call, copyOf(body));
    },
    abort() {
      const mine = exchange;
      if (mine?.isHidden) fail(mine, "abort");
      else if (mine?.repetition) mine.repetition.abort();
      else abort.call(xhr);
      if (shown !== self) shown = blank(0, xhr.responseType);
    },
    getResponseHeader: (name: string) => shown.getResponseHeader(name),
    getAllResponseHeaders: () => shown.getAllResponseHeaders(),
  });
  for (const name of SHOWN) {
    const set = (value: unknown) => void Object.assign(self, { [name]: value }); // Only stand-ins have a setter.
    Object.defineProperty(xhr, name, { configurable: true, get: () => shown[name], set });
  }
  Object.defineProperty(xhr, "upload", {
    configurable: true,
    get() {
      if (!isForeign) for (const type of EVENTS) upload.addEventListener(type, watchUpload);
      return upload;
    },
  });
}

/** Like an assignment, but bypasses setters defined on the object. */
function define(xhr: XMLHttpRequest, members: object): void {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(xhr, name, { configurable: true, writable: true, value });
  }
}

function copyOfEvent(event: Event): Event {
  return event instanceof ProgressEvent ? new ProgressEvent(event.type, event) : new Event(event.type);
}
