import assert from "node:assert/strict";
import { test } from "node:test";

import { createSessionResponder } from "../dist/reseal-worker.js";
import { answer, frontToken, json, networkFailure, PAGE, World } from "./world.mjs";

/** A service worker with a world around it; `ask` is a page's request, which the worker may leave to the browser. */
class Worker {
  world = new World();

  constructor(options = {}, environment = {}) {
    this.world.server.isHeaderMode = true;
    this.start(options, environment);
  }

  start(options = {}, environment = {}) {
    const page = { pageUrl: () => `${PAGE}/worker.js`, baseUrl: () => `${PAGE}/worker.js` };
    this.respond = createSessionResponder({ ...options, environment: { ...this.world.environment(), ...page, ...environment } });
  }

  ask(path, init) {
    return this.respond(request(path, init));
  }

  async get(path, init) {
    return this.world.settle(this.ask(path, init));
  }

  /** Somebody is signed in and the access token has expired. */
  async expired() {
    await this.get("/login", { method: "POST" });
    this.world.server.expire();
    this.world.server.log.length = 0;
    return this;
  }

  authorizations() {
    return this.world.server.log.map(({ path, headers }) => [path, headers.get("authorization")]);
  }
}

function request(path, init) {
  return new Request(new URL(path, PAGE), init);
}

/** Where the browser keeps things; it notes when something was kept. */
class Record {
  entries = [];
  saves = [];
  clock = undefined;

  load = async () => this.entries;

  save = async (entries) => {
    await this.clock.wait(5);
    this.saves.push(this.clock.now);
    this.entries = entries;
  };

  has(text) {
    return JSON.stringify(this.entries).includes(text);
  }
}

test("tokens are put on requests and taken off answers", async () => {
  const worker = new Worker();
  const login = await worker.get("/login", { method: "POST" });
  assert.deepEqual([login.headers.get("st-access-token"), login.headers.get("st-refresh-token")], [null, null]);
  assert.ok(login.headers.get("front-token"));
  await worker.get("/feed");
  assert.deepEqual(worker.authorizations(), [["/login", null], ["/feed", "Bearer access-1"]]);
});

test("an expired session is refreshed in the worker, and the page learns what the refresh brought", async () => {
  const worker = await new Worker().expired();
  worker.world.server.payload = { role: "new" };
  const response = await worker.get("/feed");
  assert.deepEqual(worker.authorizations(), [
    ["/feed", "Bearer access-1"], ["/session/refresh", "Bearer refresh-1"], ["/feed", "Bearer access-2"],
  ]);
  const { up } = JSON.parse(atob(response.headers.get("front-token")));
  assert.deepEqual([await response.json(), up], [{ path: "/feed" }, { role: "new" }]);
});

test("an answer that brings nothing new has no front token added to it", async () => {
  const worker = new Worker();
  await worker.get("/login");
  assert.equal((await worker.get("/feed")).headers.get("front-token"), null);
});

test("requests of many pages share one refresh, those that ask for it included", async () => {
  const worker = await new Worker().expired();
  const asked = ["/a", "/b", "/session/refresh", "/session/refresh"].map((path) => worker.ask(path, { method: "POST" }));
  const responses = await worker.world.settle(Promise.all(asked));
  assert.deepEqual(responses.map(({ status }) => status), [200, 200, 200, 200]);
  assert.equal(worker.world.server.refreshes, 1);
});

test("a page that asks for a refresh gets the front token and no token", async () => {
  const worker = await new Worker().expired();
  const response = await worker.get("/session/refresh", { method: "POST" });
  assert.deepEqual(await response.json(), {});
  assert.equal(JSON.parse(atob(response.headers.get("front-token"))).uid, "ada");
  assert.equal(response.headers.get("st-access-token"), null);
});

test("the end of the session is told to the page that asks, with the reason", async () => {
  const cases = { theft: ["token theft detected", "theft"], user_revoked: ["unauthorised", "user_revoked"] };
  for (const [reason, told] of Object.entries(cases)) {
    const worker = await new Worker().expired();
    worker.world.server.refreshScript = [() => worker.world.server.refuse("unauthorised", {}, reason)];
    assert.equal((await worker.get("/feed")).status, 401);
    const response = await worker.get("/session/refresh", { method: "POST" });
    const body = await response.json();
    assert.deepEqual([response.status, response.headers.get("front-token")], [401, "remove"]);
    assert.deepEqual([body.message, body.reason], told);
    assert.equal(worker.world.server.refreshes, 1);
  }
});

test("a refresh that comes to no decision is no sign-out, and does not set the page to trying as well", async () => {
  const worker = await new Worker().expired();
  worker.world.server.refreshScript = Array(12).fill(answer(503));
  assert.equal((await worker.get("/session/refresh", { method: "POST" })).status, 424);
  assert.equal((await worker.get("/feed")).type, "error");
  assert.equal(worker.world.server.refreshes, 12);
  assert.equal((await worker.get("/feed")).status, 200);
});

test("a network that fails is a network that fails to the page too", async () => {
  const worker = await new Worker().expired();
  worker.world.server.routes["/feed"] = networkFailure;
  assert.equal((await worker.get("/feed")).type, "error");
});

test("the last answer of an API that refuses for ever reaches the page", async () => {
  const worker = await new Worker().expired();
  worker.world.server.routes["/feed"] = () => json({ message: "never" }, 401);
  const response = await worker.get("/feed");
  assert.deepEqual([response.status, await response.json()], [401, { message: "never" }]);
});

test("signing out deletes the tokens", async () => {
  const worker = new Worker();
  await worker.get("/login");
  assert.equal((await worker.get("/signout", { method: "POST" })).headers.get("front-token"), "remove");
  await worker.get("/feed");
  assert.deepEqual(worker.authorizations().at(-1), ["/feed", null]);
});

test("status, text and body of an answer stay as they are, an answer without body included", async () => {
  const worker = await new Worker().expired();
  worker.world.server.routes["/feed"] = () => new Response(null, { status: 204, statusText: "Fine", headers: { "x-own": "1" } });
  const response = await worker.get("/feed");
  assert.deepEqual([response.status, response.statusText, response.headers.get("x-own"), response.body], [204, "Fine", "1", null]);
});

test("what is none of the session's business is left to the browser", () => {
  const worker = new Worker({ apiDomain: PAGE });
  assert.equal(worker.ask("https://elsewhere.example/feed"), undefined);
  assert.equal(worker.ask("/public", { credentials: "omit" }), undefined);
  assert.equal(worker.ask("/public", { mode: "no-cors" }), undefined);
  const page = Object.defineProperty(request("/"), "destination", { value: "document" });
  assert.equal(worker.respond(page), undefined);
});

test("an answer from another origin, reached by a redirect, is passed on as it is", async () => {
  const worker = await new Worker().expired();
  const foreign = Object.defineProperty(json({}, 200, { "st-access-token": "theirs" }), "url", { value: "https://elsewhere.example/" });
  worker.world.server.routes["/feed"] = () => foreign;
  assert.equal(await worker.get("/feed"), foreign);
  worker.world.server.routes["/feed"] = () => json({});
  await worker.get("/feed");
  assert.deepEqual(worker.authorizations().at(-1), ["/feed", "Bearer access-1"]);
});

test("a worker that was stopped has forgotten the session, if it was not told to keep it", async () => {
  const worker = await new Worker().expired();
  worker.start();
  worker.world.server.log.length = 0;
  worker.world.server.refreshScript = [() => worker.world.server.refuse()];
  assert.equal((await worker.get("/feed")).status, 401);
  assert.deepEqual(worker.authorizations(), [["/feed", null], ["/session/refresh", null]]);
  assert.equal(worker.world.storage.texts.size, 0);
});

test("a worker that keeps the session goes on after it was stopped", async () => {
  const record = new Record();
  const worker = new Worker({ persist: true }, { record });
  record.clock = worker.world.clock;
  await worker.expired();
  worker.start({ persist: true }, { record });
  assert.equal((await worker.get("/feed")).status, 200);
  assert.deepEqual(worker.authorizations().slice(-2), [["/session/refresh", "Bearer refresh-1"], ["/feed", "Bearer access-2"]]);
  await worker.get("/signout", { method: "POST" });
  assert.ok(!record.has("refresh-"));
});

test("the first request of a worker that was started again waits for what was kept", async () => {
  const record = new Record();
  const worker = new Worker({ persist: true }, { record });
  record.clock = worker.world.clock;
  await worker.get("/login");
  const { load } = record;
  record.load = () => worker.world.clock.wait(300).then(load);
  worker.start({ persist: true }, { record });
  await worker.get("/feed");
  assert.deepEqual(worker.authorizations().at(-1), ["/feed", "Bearer access-1"]);
});

test("a token that the server deletes is deleted from what is kept", async () => {
  const record = new Record();
  const worker = new Worker({ persist: true }, { record });
  record.clock = worker.world.clock;
  await worker.get("/login");
  assert.ok(record.has("access-1"));
  worker.world.server.routes["/feed"] = () => json({}, 200, { "st-access-token": "" });
  await worker.get("/feed");
  assert.ok(!record.has("access-1"));
});

test("nothing is kept that was not to be kept", async () => {
  const record = new Record();
  const worker = new Worker({}, { record });
  record.clock = worker.world.clock;
  await worker.get("/login");
  assert.deepEqual(record.entries, []);
});

test("a new token is kept before it is used, so that a stop in between loses nothing", async () => {
  const record = new Record();
  const worker = new Worker({ persist: true }, { record });
  record.clock = worker.world.clock;
  await worker.expired();
  record.saves.length = 0;
  await worker.get("/feed");
  const repeated = worker.world.server.sent("/feed")[1].at;
  assert.ok(record.saves.length > 0 && record.saves.every((at) => at <= repeated));
  assert.ok(record.has("refresh-2"));
});

test("a record that cannot be read or written is reported, and the session lives in memory", async () => {
  const broken = { load: () => Promise.reject(new Error("unreadable")), save: () => Promise.reject(new Error("full")) };
  const worker = await new Worker({ persist: true }, { record: broken }).expired();
  assert.equal((await worker.get("/feed")).status, 200);
  const reported = new Set(worker.world.reported.map(({ message }) => message));
  assert.deepEqual(reported, new Set(["unreadable", "full"]));
});

test("an answer that may have no body gets none, also where news of the session are added to it", async () => {
  for (const status of [204, 205, 304]) {
    for (const headers of [{}, { "front-token": frontToken("ada"), "st-access-token": "new" }]) {
      const worker = await new Worker().expired();
      worker.world.server.routes["/feed"] = () => (worker.world.server.accessIsValid ? bodied(status, headers) : worker.world.server.tryRefresh());
      const response = await worker.get("/feed");
      assert.deepEqual([response.type, response.status, response.headers.get("st-access-token")], ["default", status, null]);
    }
  }
});

/** As browsers give it to a worker: with a body, which the constructor would refuse. */
function bodied(status, headers) {
  return Object.defineProperty(new Response(null, { status, headers }), "body", { value: new Blob([]).stream() });
}

test("an answer without tokens reaches the page untouched, and a redirected one tells no news", async () => {
  const worker = new Worker();
  await worker.get("/login", { method: "POST" });
  const plain = json({});
  worker.world.server.routes["/feed"] = () => plain;
  assert.equal(await worker.get("/feed"), plain);
  worker.world.server.expire();
  const redirected = Object.defineProperty(json({}), "redirected", { value: true });
  worker.world.server.routes["/feed"] = () => (worker.world.server.accessIsValid ? redirected : worker.world.server.tryRefresh());
  assert.equal(await worker.get("/feed"), redirected);
  worker.world.server.routes["/feed"] = () => json({});
  assert.ok((await worker.get("/feed")).headers.get("front-token"));
  assert.equal((await worker.get("/feed")).headers.get("front-token"), null);
});

test("a sign-in of one page waits for the refresh that another page needed", async () => {
  const worker = await new Worker().expired();
  worker.world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const feed = worker.ask("/feed");
  await worker.world.clock.pass(100);
  const login = worker.ask("/login", { method: "POST" });
  await worker.world.settle(Promise.all([feed, login]));
  const [{ at }] = worker.world.server.sent("/login");
  assert.equal(at - worker.world.server.log[0].at, 510);
});

test("the attempt key is kept with the tokens before the refresh is asked for", async () => {
  const record = new Record();
  const worker = new Worker({ persist: true }, { record });
  record.clock = worker.world.clock;
  await worker.expired();
  worker.world.server.refreshScript = Array(12).fill(networkFailure);
  await worker.get("/feed");
  worker.start({ persist: true }, { record });
  await worker.get("/feed");
  const keys = new Set(worker.world.server.sent("/session/refresh").map(({ headers }) => headers.get("idempotency-key")));
  assert.deepEqual([...keys], ["key-1"]);
  const [refresh] = worker.world.server.sent("/session/refresh");
  assert.ok(record.saves.some((at) => at > worker.world.server.log[0].at && at <= refresh.at));
});

test("a 401 of the application costs one refresh and one repetition, also for a page that has a client of its own", async () => {
  const worker = new Worker();
  const fetch = (input, init) => worker.respond(request(input, init));
  const page = worker.world.tab({ tokenTransferMethod: "header" }, { fetch });
  await worker.world.settle(page.fetch("/login", { method: "POST" }));
  worker.world.server.routes["/password"] = () => json({ detail: "wrong" }, 401);
  const response = await worker.world.settle(page.fetch("/password", { method: "POST", body: "old" }));
  assert.deepEqual([response.status, await response.json()], [401, { detail: "wrong" }]);
  assert.deepEqual([worker.world.server.sent("/password").length, worker.world.server.refreshes], [2, 1]);
  assert.deepEqual([page.names(), page.getUserId()], [["SESSION_CREATED"], "ada"]);
});
