/**
 * A small world for the client: one server, one browser with cookies and locks, any number of tabs, and a clock that
 * jumps to the next timer as soon as nothing else can happen. Nothing here sleeps.
 */

import { createSessionClient } from "../dist/reseal-browser.js";

export const PAGE = "https://app.example";
export const START = 1_900_000_000_000;
export const LIFETIME_MS = 60_000;
/** Turns of the event loop after which everything that does not wait for the clock has happened. */
const IDLE_TURNS = 8;

export class Clock {
  now = START;
  /** Does anything go on that takes real time, as cryptography does? */
  isBusy = () => false;
  #timers = new Map();
  #count = 0;

  setTimer = (callback, delayMs) => {
    const id = (this.#count += 1);
    this.#timers.set(id, { at: this.now + delayMs, callback });
    return () => this.#timers.delete(id);
  };

  get timers() {
    return this.#timers.size;
  }

  wait(delayMs, signal) {
    return new Promise((resolve, reject) => {
      const cancel = this.setTimer(resolve, delayMs);
      const abort = () => {
        cancel();
        reject(signal.reason);
      };
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
    });
  }

  /** Let time pass until `promise` is settled; give its outcome. */
  async settle(promise) {
    let isSettled = false;
    const settled = () => (isSettled = true);
    promise.then(settled, settled);
    for (;;) {
      for (let turn = 0; turn < IDLE_TURNS && !isSettled; turn = this.isBusy() ? 0 : turn + 1) await new Promise(setImmediate);
      if (isSettled) return promise;
      if (!this.#fireNext()) throw new Error("Everybody waits and no timer is left.");
    }
  }

  /** Let exactly `delayMs` pass. */
  async pass(delayMs) {
    await this.settle(this.wait(delayMs));
  }

  #fireNext() {
    const [next] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
    if (!next) return false;
    this.#timers.delete(next[0]);
    this.now = Math.max(this.now, next[1].at);
    next[1].callback();
    return true;
  }
}

/** document.cookie with the browser's limit of 4096 bytes for a cookie. */
export class CookieJar {
  #cookies = new Map();
  written = [];

  read = () => [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");

  write = (line) => {
    this.written.push(line);
    const [pair, ...attributes] = line.split(";");
    const [name] = pair.split("=", 1);
    const value = pair.slice(name.length + 1);
    if (pair.length > 4096) return;
    if (attributes.some((attribute) => attribute === "max-age=0")) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  };

  get(name) {
    return this.#cookies.get(name);
  }

  wipe() {
    this.#cookies.clear();
  }
}

/** localStorage. */
export class StorageArea {
  texts = new Map();

  getItem = (name) => this.texts.get(name) ?? null;
  setItem = (name, value) => void this.texts.set(name, String(value));
  removeItem = (name) => void this.texts.delete(name);
}

/** BroadcastChannel: a post is heard by all others in a later task. */
export class Channels {
  #listeners = new Map();
  posts = 0;

  open = (name, heard) => {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(heard));
    const post = () => {
      this.posts += 1;
      for (const other of listeners) if (other !== heard) setImmediate(other);
    };
    return Object.assign(post, { close: () => listeners.delete(heard) });
  };
}

/** Web Locks. */
export class Locks {
  #exclusive = Promise.resolve();
  #all = Promise.resolve();
  granted = 0;

  request = (_name, { mode, signal }, holder) => {
    const before = mode === "shared" ? this.#exclusive : this.#all;
    const granted = Promise.race([before, rejectOnAbort(signal)]).then(() => {
      this.granted += 1;
      return holder();
    });
    this.#all = Promise.allSettled([this.#all, granted]).then(() => undefined);
    if (mode !== "shared") this.#exclusive = this.#all;
    return granted;
  };
}

function rejectOnAbort(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

export function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers });
}

export function frontToken(userId, payload = {}, ate = START + LIFETIME_MS, more = {}) {
  return Buffer.from(JSON.stringify({ uid: userId, ate, up: payload, ...more })).toString("base64");
}

export class Server {
  expiredStatus = 401;
  latencyMs = () => 10;
  accessIsValid = true;
  userId = "ada";
  antiCsrf = undefined;
  payload = {};
  /** Tokens go in headers instead of cookies, and are looked at. */
  isHeaderMode = false;
  /** Pages of other origins may send their attempt key. */
  knowsAttempts = false;
  /** The browser refreshes the session in cookies by itself. */
  isBound = false;
  #issued = 0;
  /** Functions that answer the next refreshes instead of the server; each may call `accept`. */
  refreshScript = [];
  /** The same for all requests to one path: a function of (request, seen). */
  routes = {};
  log = [];
  refreshes = 0;

  constructor(clock) {
    this.clock = clock;
  }

  fetch = async (input, init) => {
    const request = new Request(typeof input === "string" ? new URL(input, PAGE) : input, init);
    const seen = {
      method: request.method,
      path: new URL(request.url).pathname,
      headers: request.headers,
      credentials: request.credentials,
      redirect: request.redirect,
      raw: [input, init],
      at: this.clock.now,
    };
    this.log.push(seen);
    if (request.headers.get("content-type")?.startsWith("multipart/")) seen.form = await request.formData();
    else seen.body = await request.text();
    await this.clock.wait(this.latencyMs(seen), request.signal);
    return this.#answer(request, seen);
  };

  sent(path) {
    return this.log.filter((seen) => seen.path === path);
  }

  expire() {
    this.accessIsValid = false;
  }

  tryRefresh = () => json({ message: "try refresh token" }, this.expiredStatus);

  /** What a successful refresh or sign-in answers. */
  accept = (body = {}) => {
    this.accessIsValid = true;
    const headers = { "front-token": this.#frontToken() };
    if (this.antiCsrf) headers["anti-csrf"] = this.antiCsrf;
    if (this.isHeaderMode) Object.assign(headers, this.#newTokens());
    return json(body, 200, headers);
  };

  #frontToken() {
    const more = { ...(this.knowsAttempts && { ik: 1 }), ...(this.isBound && { bound: 1 }) };
    return frontToken(this.userId, this.payload, this.clock.now + LIFETIME_MS, more);
  }

  /** The tokens that count, in header mode. */
  get access() {
    return `access-${this.#issued}`;
  }

  get refreshToken() {
    return `refresh-${this.#issued}`;
  }

  #newTokens() {
    this.#issued += 1;
    return { "st-access-token": this.access, "st-refresh-token": this.refreshToken };
  }

  #presents(request, token) {
    return !this.isHeaderMode || request.headers.get("authorization") === `Bearer ${token}`;
  }

  refuse = (message = "unauthorised", headers = { "front-token": "remove" }, reason = undefined) => {
    this.accessIsValid = false;
    return json({ message, reason }, this.expiredStatus, headers);
  };

  #answer(request, seen) {
    const route = this.routes[seen.path];
    if (route) return route(request, seen);
    if (seen.path === "/session/refresh") return this.#refresh(request);
    if (seen.path === "/login") return this.accept({ status: "OK" });
    if (!this.accessIsValid || !this.#presents(request, this.access)) return this.tryRefresh();
    if (seen.path === "/signout") return this.#signOut();
    return json({ path: seen.path });
  }

  #refresh(request) {
    this.refreshes += 1;
    const scripted = this.refreshScript.shift();
    if (scripted) return scripted(request);
    return this.#presents(request, this.refreshToken) ? this.accept() : this.refuse();
  }

  #signOut() {
    this.accessIsValid = false;
    this.refreshScript = Array.from({ length: 50 }, () => () => this.refuse());
    return json({ status: "OK" }, 200, { "front-token": "remove" });
  }
}

export const networkFailure = () => {
  throw new TypeError("Failed to fetch");
};

export const answer = (status, headers) => () => json({}, status, headers);

export class World {
  clock = new Clock();
  jar = new CookieJar();
  locks = new Locks();
  storage = new StorageArea();
  channels = new Channels();
  server = new Server(this.clock);
  isOnline = true;
  clockErrorMs = 0;
  reported = [];
  keys = 0;
  #whenOnline = new Set();
  #seed = 7;

  /** Open a tab: a client together with the events it has told. */
  tab(options = {}, environment = {}) {
    const host = { ...this.environment(), ...environment };
    if (!host.fetch) delete host.fetch; // Then it is the page's own.
    const client = createSessionClient({ ...options, environment: host });
    const told = [];
    for (const event of EVENTS) client.on(event, (detail) => told.push([event, detail]));
    return { ...client, told, names: () => told.map(([event]) => event) };
  }

  /** Open a tab in which somebody is signed in and the access token has expired. */
  async expiredTab(options = {}, environment = {}) {
    const tab = this.tab(options, environment);
    await this.settle(tab.fetch("/login", { method: "POST" }));
    this.server.expire();
    this.server.log.length = 0;
    tab.told.length = 0;
    return tab;
  }

  environment() {
    return {
      fetch: this.server.fetch,
      now: () => this.clock.now + this.clockErrorMs,
      random: () => (this.#seed = (this.#seed * 16_807) % 2_147_483_647) / 2_147_483_647,
      newKey: () => `key-${(this.keys += 1)}`,
      setTimer: this.clock.setTimer,
      readCookies: this.jar.read,
      writeCookie: this.jar.write,
      storage: () => this.storage,
      openChannel: this.channels.open,
      pageUrl: () => `${PAGE}/inbox/`,
      baseUrl: () => `${PAGE}/inbox/`,
      isOnline: () => this.isOnline,
      onceOnline: (callback) => {
        this.#whenOnline.add(callback);
        return () => this.#whenOnline.delete(callback);
      },
      locks: this.locks,
      reportError: (error) => this.reported.push(error),
    };
  }

  comeOnline() {
    this.isOnline = true;
    for (const callback of this.#whenOnline) callback();
    this.#whenOnline.clear();
  }

  get onlineListeners() {
    return this.#whenOnline.size;
  }

  settle(promise) {
    return this.clock.settle(promise);
  }
}

const EVENTS = [
  "SESSION_CREATED", "REFRESH_SESSION", "PAYLOAD_UPDATED", "SIGN_OUT", "SESSION_EXPIRED", "SESSION_ENDED_ELSEWHERE",
  "TOKEN_THEFT", "REFRESH_FAILED",
];
