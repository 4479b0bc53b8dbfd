import assert from "node:assert/strict";
import { createHash, createPublicKey, verify, webcrypto } from "node:crypto";
import { test } from "node:test";

import { dpop } from "../dist/reseal-dpop.js";
import { createSessionResponder } from "../dist/reseal-worker.js";
import { json, PAGE, World } from "./world.mjs";

let busy = 0;
/** The cryptography of the host, with a count of what is under way: the clock must not run ahead of it. */
const subtle = new Proxy(webcrypto.subtle, {
  get: (target, name) => (...given) => {
    busy += 1;
    return target[name](...given).finally(() => (busy -= 1));
  },
});
const counted = { subtle, getRandomValues: (bytes) => webcrypto.getRandomValues(bytes) };
Object.defineProperty(globalThis, "crypto", { configurable: true, value: counted });

const OPTIONS = { tokenTransferMethod: "header", dpop };

const decoded = (part) => JSON.parse(Buffer.from(part, "base64url"));
const hashOf = (text) => createHash("sha256").update(text).digest("base64url");
const tokenOf = (claims) => ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "x"].join(".");

/** The keys that the tabs of one browser share. */
class Keys {
  kept = new Map();
  offers = 0;
  failure = undefined;

  #open() {
    if (this.failure) throw this.failure;
  }

  all = async () => (this.#open(), [...this.kept.values()]);
  keep = async (key) => (this.#open(), void this.kept.set(key.thumbprint, key));
  remove = async (thumbprint) => (this.#open(), void this.kept.delete(thumbprint));

  offer = async (key) => {
    this.#open();
    this.offers += 1;
    if (this.kept.size === 0) this.kept.set(key.thumbprint, key);
    return [...this.kept.values()][0];
  };
}

/** An API that binds sessions, and checks each proof with the cryptography of Node.js. */
class BoundServer {
  nonce = undefined;
  /** The server's clock, less the world's. */
  aheadMs = 0;
  leewayMs = 30_000;
  binds = true;
  /** What scripts of another origin may read of its answers. */
  hidden = new Set();
  refresh = undefined;
  access = undefined;
  bound = undefined;
  issued = 0;
  seen = [];
  identifiers = new Set();

  constructor(world) {
    this.world = world;
    for (const path of ["/login", "/session/refresh", "/feed", "/signout"]) {
      world.server.routes[path] = (request) => this.#answer(path, request);
    }
  }

  get now() {
    return this.world.clock.now + this.aheadMs;
  }

  expire() {
    this.access = undefined;
    this.seen.length = 0;
  }

  seenAs() {
    return this.seen.map(({ path, scheme, status }) => [path, scheme, status].filter(Boolean).join(" "));
  }

  #answer(path, request) {
    const [scheme, token] = request.headers.get("authorization")?.split(" ") ?? [];
    const seen = { path, scheme, token, url: request.url, proof: request.headers.get("dpop") };
    const response = this.#decide(path, seen, request);
    this.seen.push({ ...seen, status: response.status });
    const headers = { date: new Date(this.now).toUTCString(), ...(this.nonce && { "dpop-nonce": this.nonce }) };
    for (const [name, value] of Object.entries(headers)) if (!this.hidden.has(name)) response.headers.set(name, value);
    for (const name of this.hidden) response.headers.delete(name);
    return response;
  }

  #decide(path, seen, request) {
    const wrong = seen.proof ? this.#faultOf(seen, path, request) : undefined;
    const refused = (error) => json({ message: "unauthorised", reason: "binding" }, 401, { "www-authenticate": `DPoP error="${error}"` });
    const expired = this.world.server.expiredStatus;
    if (wrong) return refused(wrong);
    if (path === "/login") return this.#tokens(seen);
    const isRefresh = path === "/session/refresh";
    const isRight = seen.token !== undefined && seen.token === (isRefresh ? this.refresh : this.access);
    const isProven = !this.bound || (seen.scheme === "DPoP" && this.bound === seen.thumbprint);
    if (isRight && !isProven) return refused("invalid_dpop_proof");
    if (!isRight) return isRefresh ? json({ message: "unauthorised" }, expired) : json({ message: "try refresh token" }, expired);
    if (isRefresh) return this.#tokens(seen);
    return path === "/signout" ? json({ status: "OK" }, 200, { "front-token": "remove" }) : json({ user: "ada" });
  }

  /** RFC 9449, section 4.3. */
  #faultOf(seen, path, { method }) {
    const [head, body, signature] = seen.proof.split(".");
    const { typ, alg, jwk } = decoded(head);
    const claims = (seen.claims = decoded(body));
    seen.thumbprint = hashOf(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }));
    const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")));
    assert.deepEqual([typ, alg, Object.keys(jwk).sort().join()], ["dpop+jwt", "ES256", "crv,kty,x,y"]);
    assert.equal(claims.htm, method);
    if (claims.htu !== seen.url.split(/[?#]/)[0]) return "invalid_dpop_proof";
    assert.ok(!this.identifiers.has(claims.jti) && this.identifiers.add(claims.jti));
    const isShown = seen.token && seen.scheme !== "Basic" && path !== "/session/refresh";
    assert.equal(claims.ath, isShown ? hashOf(seen.token) : undefined);
    if (this.nonce && claims.nonce !== this.nonce) return "use_dpop_nonce";
    return Math.abs(claims.iat * 1000 - this.now) > this.leewayMs ? "invalid_dpop_proof" : undefined;
  }

  #tokens({ path, thumbprint }) {
    if (path === "/login") this.bound = this.binds ? thumbprint : undefined;
    this.issued += 1;
    this.refresh = `refresh-${this.issued}`;
    const iat = Math.floor(this.now / 1000);
    this.access = tokenOf({ n: this.issued, iat, ...(this.bound && { cnf: { jkt: this.bound } }) });
    const response = this.world.server.accept();
    response.headers.set("st-access-token", this.access);
    response.headers.set("st-refresh-token", this.refresh);
    return response;
  }
}

class Browser extends World {
  deviceKeys = new Keys();
  api = new BoundServer(this);

  constructor() {
    super();
    this.clock.isBusy = () => busy > 0;
  }

  open(options = {}, environment = {}) {
    return this.tab({ ...OPTIONS, ...options }, { keys: this.deviceKeys, ...environment });
  }

  async signedIn(options, environment) {
    const tab = this.open(options, environment);
    await this.settle(tab.fetch("/login", { method: "POST" }));
    this.api.seen.length = 0;
    tab.told.length = 0;
    return tab;
  }

  async statusOf(tab, path = "/feed", init = {}) {
    return (await this.settle(tab.fetch(path, init))).status;
  }
}

test("signing in, calling, refreshing and signing out are all proven with one key, which is then deleted", async () => {
  const browser = new Browser();
  const tab = browser.open();
  assert.equal(await browser.statusOf(tab, "/login", { method: "post" }), 200);
  assert.equal(await browser.statusOf(tab, "/feed?page=2#top"), 200);
  browser.api.access = undefined;
  assert.equal(await browser.statusOf(tab), 200);
  const [key] = browser.deviceKeys.kept.values();
  assert.deepEqual([browser.deviceKeys.kept.size, key.privateKey.extractable, key.thumbprint], [1, false, browser.api.bound]);
  await browser.settle(tab.signOut());
  assert.deepEqual(browser.api.seenAs(), [
    "/login 200", "/feed DPoP 200", "/feed DPoP 401", "/session/refresh DPoP 200", "/feed DPoP 200", "/signout DPoP 200",
  ]);
  assert.equal(browser.deviceKeys.kept.size, 0);
});

test("a server that binds nothing gets the tokens as ever", async () => {
  const browser = new Browser();
  browser.api.binds = false;
  const tab = await browser.signedIn();
  browser.api.expire();
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual(browser.api.seenAs(), ["/feed Bearer 401", "/session/refresh Bearer 200", "/feed Bearer 200"]);
});

test("tabs that make a key at the same time share that of the first", async () => {
  const browser = new Browser();
  const tabs = [browser.open(), browser.open(), browser.open()];
  await browser.settle(Promise.all(tabs.map((tab) => tab.fetch("/login", { method: "POST" }))));
  assert.deepEqual([browser.deviceKeys.offers, browser.deviceKeys.kept.size], [3, 1]);
  assert.equal(new Set(browser.api.seen.map(({ thumbprint }) => thumbprint)).size, 1);
  for (const tab of tabs) assert.equal(await browser.statusOf(tab), 200);
});

test("a tab that is opened later, or is told of a new session, uses its key", async () => {
  const browser = new Browser();
  const first = await browser.signedIn();
  const second = browser.open();
  assert.equal(await browser.statusOf(second), 200);
  await browser.settle(first.signOut());
  await browser.settle(first.fetch("/login", { method: "POST" }));
  assert.equal(await browser.statusOf(second), 200);
  assert.equal(browser.deviceKeys.kept.size, 1);
});

test("a nonce is taken from any answer, and a demand for one is no expired session", async () => {
  const browser = new Browser();
  browser.api.nonce = "n-1";
  const tab = browser.open();
  assert.equal(await browser.statusOf(tab, "/login", { method: "POST", body: "name=ada" }), 200);
  assert.deepEqual(browser.server.sent("/login").map(({ body }) => body), ["name=ada", "name=ada"]);
  assert.deepEqual(browser.api.seenAs(), ["/login 401", "/login 200"]);
  browser.api.nonce = "n-2";
  assert.equal(await browser.statusOf(tab), 200);
  browser.api.expire();
  browser.api.nonce = "n-3";
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual(browser.api.seenAs(), ["/feed DPoP 401", "/feed DPoP 401", "/session/refresh DPoP 200", "/feed DPoP 200"]);
  assert.deepEqual(tab.names(), ["SESSION_CREATED", "REFRESH_SESSION"]);
});

test("an old nonce is not sent, so that a clock that was set right needs no other", async () => {
  const browser = new Browser();
  browser.api.nonce = "n-1";
  const tab = await browser.signedIn();
  browser.api.nonce = undefined;
  assert.equal(await browser.statusOf(tab), 200);
  assert.equal(browser.api.seen.at(-1).claims.nonce, "n-1");
  browser.clock.now += 240_000;
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual([browser.api.seen.at(-1).claims.nonce, browser.api.seen.length], [undefined, 2]);
});

test("an API that wants another nonce each time is answered once more, not for ever", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn();
  let count = 0;
  Object.defineProperty(browser.api, "nonce", { get: () => `n-${(count += 1)}` });
  await browser.settle(tab.fetch("/feed").catch(() => undefined));
  assert.ok(browser.api.seen.length <= 6, browser.api.seenAs().join());
});

for (const [name, hidden] of [["reads all of an answer", []], ["of another origin reads little", ["www-authenticate"]]]) {
  for (const hours of [-30, 30]) {
    test(`a device whose clock is ${hours} h off signs in, calls and refreshes; its page ${name}`, async () => {
      const browser = new Browser();
      browser.clockErrorMs = hours * 3_600_000;
      browser.api.hidden = new Set(hidden);
      const tab = browser.open();
      assert.equal(await browser.statusOf(tab, "/login", { method: "POST" }), 200);
      assert.equal(await browser.statusOf(tab), 200);
      browser.api.access = undefined;
      assert.equal(await browser.statusOf(tab), 200);
      assert.deepEqual(browser.api.seenAs(), [
        "/login 401", "/login 200", "/feed DPoP 200", "/feed DPoP 401", "/session/refresh DPoP 200", "/feed DPoP 200",
      ]);
    });
  }
}

/** A network with one redirect, which takes all headers along. */
function redirecting(browser, from, to) {
  return async (input, init) => {
    const start = new URL(input, PAGE);
    const end = start.pathname === from ? new URL(to, PAGE) : start;
    if (end !== start) browser.api.seen.push({ path: from });
    const response = await browser.server.fetch(end.href, init);
    return Object.defineProperty(response, "url", { value: end.href });
  };
}

test("a call that is redirected is proven for the place where it ends", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn({}, { fetch: redirecting(browser, "/old", "/feed?page=1") });
  assert.equal(await browser.statusOf(tab, "/old"), 200);
  assert.deepEqual(browser.api.seenAs(), ["/old", "/feed DPoP 401", "/feed DPoP 200"]);
  browser.api.seen.length = 0;
  assert.equal(await browser.statusOf(tab, "/old", { method: "POST", body: "x" }), 200);
  assert.deepEqual(browser.api.seenAs(), ["/old", "/feed DPoP 401", "/old", "/feed DPoP 200"]);
  assert.deepEqual(tab.names(), []);
});

test("a redirect of a call with an unknown nonce and an expired token is followed too", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn({}, { fetch: redirecting(browser, "/old", "/feed") });
  browser.api.nonce = "n-1";
  browser.api.expire();
  assert.equal(await browser.statusOf(tab, "/old"), 200);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION"]);
});

test("an answer that a redirect brings from another origin teaches nothing", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn({}, { fetch: redirecting(browser, "/old", "https://other.example/feed") });
  browser.api.nonce = "evil";
  assert.equal(await browser.statusOf(tab, "/old"), 401);
  browser.api.nonce = undefined;
  browser.api.seen.length = 0;
  assert.equal(await browser.statusOf(tab), 200);
  assert.equal(browser.api.seen[0].claims.nonce, undefined);
});

test("a clock that is set while the page is open costs one call more", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn();
  browser.clockErrorMs = 7_200_000;
  for (let count = 0; count < 3; count += 1) assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual(browser.api.seenAs(), ["/feed DPoP 401", "/feed DPoP 200", "/feed DPoP 200", "/feed DPoP 200"]);
});

test("an expired session is refreshed at once where the server's clock and nonce are known", async () => {
  const browser = new Browser();
  browser.api.aheadMs = 1_500;
  browser.api.nonce = "n-1";
  const tab = await browser.signedIn();
  browser.api.expire();
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual(browser.api.seenAs(), ["/feed DPoP 401", "/session/refresh DPoP 200", "/feed DPoP 200"]);
});

test("tokens copied to another browser are refused there, and the owner goes on", async () => {
  const browser = new Browser();
  const owner = await browser.signedIn();
  const copied = new Map(browser.storage.texts);
  const storage = {
    getItem: (name) => copied.get(name) ?? null,
    setItem: (name, value) => void copied.set(name, value),
    removeItem: (name) => void copied.delete(name),
  };
  const other = browser.open({}, { keys: new Keys(), storage: () => storage, openChannel: () => () => undefined });
  assert.equal(await browser.statusOf(other), 401);
  assert.deepEqual(other.told.at(-1), ["SESSION_EXPIRED", { userId: "ada", reason: "refused", serverReason: "binding", serverNote: undefined }]);
  for (const scheme of ["Bearer", "DPoP"]) {
    const headers = { authorization: `${scheme} ${browser.api.access}` };
    assert.equal((await browser.settle(browser.server.fetch("/feed", { headers }))).status, 401);
  }
  assert.equal(await browser.statusOf(owner), 200);
});

test("a session whose key was lost ends cleanly, and the next one gets a new key", async () => {
  const browser = new Browser();
  await browser.signedIn();
  browser.deviceKeys.kept.clear();
  const tab = browser.open();
  browser.api.seen.length = 0;
  assert.equal(await browser.statusOf(tab), 401);
  assert.deepEqual(browser.api.seenAs(), ["/feed DPoP 401", "/session/refresh DPoP 401"]);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
  assert.equal(browser.deviceKeys.kept.size, 0);
  assert.equal(await browser.statusOf(tab, "/login", { method: "POST" }), 200);
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual([...browser.deviceKeys.kept.keys()], [browser.api.bound]);
});

test("a session whose key was lost ends also where expired sessions have another status than refused proofs", async () => {
  const browser = new Browser();
  const options = { sessionExpiredStatus: 440 };
  browser.server.expiredStatus = 440;
  await browser.signedIn(options);
  browser.deviceKeys.kept.clear();
  const tab = browser.open(options);
  assert.equal(await browser.statusOf(tab), 401);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
  browser.api.nonce = "n-1";
  assert.equal(await browser.statusOf(tab, "/login", { method: "POST" }), 200);
  browser.api.access = undefined;
  assert.equal(await browser.statusOf(tab), 200);
});

test("a tab with the key in its memory puts it back with the next tokens", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn();
  browser.deviceKeys.kept.clear();
  browser.api.expire();
  assert.equal(await browser.statusOf(tab), 200);
  assert.deepEqual([...browser.deviceKeys.kept.keys()], [browser.api.bound]);
});

test("a sign-out in one tab does not take the key of a sign-in that is on its way in another", async () => {
  const browser = new Browser();
  const first = await browser.signedIn();
  const second = browser.open();
  browser.server.latencyMs = ({ path }) => (path === "/login" ? 500 : 10);
  const signIn = second.fetch("/login", { method: "POST" });
  await browser.clock.pass(20);
  await browser.settle(first.signOut().catch(() => undefined));
  await browser.settle(signIn);
  assert.deepEqual([...browser.deviceKeys.kept.keys()], [browser.api.bound]);
  assert.equal(await browser.statusOf(browser.open()), 200);
});

const REFUSED = new DOMException("A mutation operation was attempted on a database that did not allow mutations.", "InvalidStateError");

test("a browser that keeps no key has sessions as before, and says so once", async () => {
  const browser = new Browser();
  browser.deviceKeys.failure = REFUSED;
  const tab = await browser.signedIn();
  browser.api.expire();
  assert.equal(await browser.statusOf(tab), 200);
  await browser.settle(tab.signOut());
  assert.deepEqual(browser.api.seenAs(), [
    "/feed Bearer 401", "/session/refresh Bearer 200", "/feed Bearer 200", "/signout Bearer 200",
  ]);
  assert.deepEqual(browser.reported.map(({ message, cause }) => [message, cause]), [
    ["This browser keeps no key, so that its sessions are not bound to it.", REFUSED],
  ]);
});

test("a database that does not answer delays the first call only", async () => {
  const browser = new Browser();
  browser.deviceKeys.all = () => new Promise(() => undefined);
  const tab = await browser.signedIn();
  assert.equal(browser.clock.now - browser.server.log[0].at, 10);
  assert.equal(await browser.statusOf(tab), 200);
  assert.equal(browser.reported.length, 1);
});

test("a database that fails for a moment does not end a bound session", async () => {
  const browser = new Browser();
  await browser.signedIn();
  browser.deviceKeys.failure = new DOMException("Connection to Indexed Database server lost.", "UnknownError");
  const tab = browser.open();
  const call = tab.fetch("/feed");
  await browser.clock.pass(100);
  browser.deviceKeys.failure = undefined;
  assert.equal((await browser.settle(call)).status, 200);
  assert.deepEqual(browser.reported, []);
});

test("a bound session whose database stays away ends, rather than to fail for ever", async () => {
  const browser = new Browser();
  await browser.signedIn();
  browser.deviceKeys.failure = REFUSED;
  const tab = browser.open();
  assert.equal(await browser.statusOf(tab), 401);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
  assert.equal(await browser.statusOf(tab, "/login", { method: "POST" }), 200);
  assert.equal(await browser.statusOf(tab), 200);
});

test("calls to other origins, and those without credentials, carry no proof", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn();
  browser.server.log.length = 0;
  await browser.settle(tab.fetch("https://other.example/x"));
  await browser.settle(tab.fetch("/feed", { credentials: "omit" }));
  assert.deepEqual(browser.server.log.map(({ headers }) => headers.get("dpop")), [null, null]);
});

test("the page's own Authorization stays, beside a proof that names no token", async () => {
  const browser = new Browser();
  const tab = await browser.signedIn();
  await browser.settle(tab.fetch("/feed", { headers: { authorization: "Basic eA==" } }).catch(() => undefined));
  assert.deepEqual([browser.api.seen[0].scheme, browser.api.seen[0].claims?.ath], ["Basic", undefined]);
});

test("a page of cookies makes no proof, unless its session is still in headers", async () => {
  const browser = new Browser();
  const tab = browser.open({ tokenTransferMethod: "cookie" });
  await browser.settle(tab.fetch("/login", { method: "POST" }));
  assert.deepEqual([browser.api.seen[0].proof, browser.deviceKeys.offers], [null, 0]);
  const other = new Browser();
  await other.signedIn();
  assert.equal(await other.statusOf(other.open({ tokenTransferMethod: "cookie" })), 200);
});

test("without the option nothing is proven", async () => {
  const browser = new Browser();
  await browser.signedIn({ dpop: undefined });
  assert.deepEqual([browser.server.log[0].headers.get("dpop"), browser.deviceKeys.offers], [null, 0]);
});

test("a worker proves with a key of its own, which ends with it", async () => {
  const browser = new Browser();
  const page = { pageUrl: () => `${PAGE}/worker.js`, baseUrl: () => `${PAGE}/worker.js` };
  const respond = createSessionResponder({ dpop, environment: { ...browser.environment(), ...page, keys: browser.deviceKeys } });
  const ask = (path, init) => browser.settle(respond(new Request(new URL(path, PAGE), init)));
  assert.equal((await ask("/login", { method: "POST", body: "x" })).status, 200);
  browser.api.expire();
  browser.api.nonce = "n-1";
  assert.equal((await ask("/feed")).status, 200);
  assert.deepEqual(browser.api.seenAs(), [
    "/feed DPoP 401", "/feed DPoP 401", "/session/refresh DPoP 200", "/feed DPoP 200",
  ]);
  assert.equal(browser.deviceKeys.offers, 0);
});

test("a worker that outlives itself keeps its key where it keeps its session", async () => {
  const browser = new Browser();
  const record = { entries: [], load: async () => record.entries, save: async (entries) => void (record.entries = entries) };
  const page = { pageUrl: () => `${PAGE}/worker.js`, baseUrl: () => `${PAGE}/worker.js` };
  const environment = { ...browser.environment(), ...page, keys: browser.deviceKeys, record };
  const start = () => createSessionResponder({ dpop, persist: true, environment });
  const ask = (respond, path, init) => browser.settle(respond(new Request(new URL(path, PAGE), init)));
  await ask(start(), "/login", { method: "POST" });
  assert.equal((await ask(start(), "/feed")).status, 200);
  assert.equal(browser.deviceKeys.kept.size, 1);
});
