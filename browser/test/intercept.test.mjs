import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { intercept } from "../dist/reseal-intercept.js";
import { json, PAGE, World } from "./world.mjs";
import { requestClass } from "./xhr.mjs";

const NATIVE = globalThis.fetch;
let undo = () => undefined;

/** A page whose `fetch` and `XMLHttpRequest` reach the world's server, with an expired session in it. */
async function page(options) {
  const world = new World();
  const tab = await world.expiredTab(options);
  globalThis.fetch = world.server.fetch;
  globalThis.XMLHttpRequest = requestClass(world.server);
  const before = [globalThis.fetch, globalThis.XMLHttpRequest];
  undo = intercept(tab);
  return { world, tab, before };
}

afterEach(() => {
  undo();
  globalThis.fetch = NATIVE;
  delete globalThis.XMLHttpRequest;
});

function send(world, method, address, { body, headers = {} } = {}) {
  const xhr = new XMLHttpRequest();
  const told = [];
  for (const type of ["readystatechange", "loadstart", "load", "error", "abort", "timeout", "loadend"]) {
    xhr.addEventListener(type, () => told.push(type === "readystatechange" ? xhr.readyState : type));
  }
  const ended = new Promise((resolve) => xhr.addEventListener("loadend", resolve));
  xhr.open(method, address);
  for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
  xhr.send(body);
  return { xhr, told, end: () => world.settle(ended) };
}

const PLAIN = [1, "loadstart", 2, 4, "load", "loadend"];

test("the page's fetch refreshes and repeats, and calls elsewhere go out as they came in", async () => {
  const { world } = await page();
  assert.equal((await world.settle(fetch("/feed"))).status, 200);
  const init = { headers: { "x-own": "1" } };
  await world.settle(fetch("https://elsewhere.example/feed", init));
  assert.equal(world.server.log.at(-1).raw[1], init);
  assert.equal(world.server.refreshes, 1);
});

test("an XMLHttpRequest refreshes and repeats, and the page is told of one request", async () => {
  const { world } = await page();
  const { xhr, told, end } = send(world, "PUT", "/feed", { body: "käse", headers: { "X-Own": "1" } });
  await end();
  assert.deepEqual([xhr.status, JSON.parse(xhr.response)], [200, { path: "/feed" }]);
  assert.deepEqual(told, PLAIN);
  const seen = world.server.sent("/feed").map(({ method, body, headers }) => [method, body, headers.get("x-own"), headers.get("rid")]);
  assert.deepEqual(seen, [["PUT", "käse", "1", "anti-csrf"], ["PUT", "käse", "1", "anti-csrf"]]);
  assert.equal(xhr.withCredentials, true);
});

test("in header mode each attempt of an XMLHttpRequest has the token of its time", async () => {
  const world = new World();
  world.server.isHeaderMode = true;
  const tab = await world.expiredTab({ tokenTransferMethod: "header" });
  globalThis.XMLHttpRequest = requestClass(world.server);
  undo = intercept(tab);
  await send(world, "GET", "/feed").end();
  const tokens = world.server.sent("/feed").map(({ headers }) => headers.get("authorization"));
  assert.deepEqual(tokens, ["Bearer access-1", "Bearer access-2"]);
});

test("the refused answer reaches the page once when the session has ended", async () => {
  const { world, tab } = await page();
  world.server.refreshScript = [() => world.server.refuse()];
  const { xhr, told, end } = send(world, "GET", "/feed");
  await end();
  assert.equal(xhr.status, 401);
  assert.deepEqual(told, [1, "loadstart", 4, "load", "loadend"]);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});

for (const [name, arrange] of Object.entries({
  "a refresh that fails": ({ world }) => (world.server.refreshScript = Array(6).fill(() => json({}, 503))),
  "an API that refuses for ever": ({ world }) => (world.server.routes["/feed"] = () => world.server.tryRefresh()),
})) {
  test(`${name} is a network error to an XMLHttpRequest, not an expiry`, async () => {
    const opened = await page();
    arrange(opened);
    const { xhr, told, end } = send(opened.world, "GET", "/feed");
    await end();
    assert.deepEqual([xhr.status, told.slice(-2)], [0, ["error", "loadend"]]);
    assert.equal(await opened.tab.doesSessionExist(), true);
  });
}

test("a repetition whose network fails is told as what it is", async () => {
  const { world } = await page();
  let calls = 0;
  world.server.routes["/feed"] = () => {
    if ((calls += 1) === 1) return world.server.tryRefresh();
    throw new TypeError("Failed to fetch");
  };
  const { xhr, told, end } = send(world, "GET", "/feed");
  await end();
  assert.deepEqual([xhr.status, told], [0, [1, "loadstart", 4, "error", "loadend"]]);
});

test("aborting while a refresh is under way tells so at once and repeats nothing", async () => {
  const { world, tab } = await page();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const { xhr, told } = send(world, "GET", "/feed");
  await world.clock.pass(100);
  xhr.abort();
  assert.deepEqual(told.slice(-2), ["abort", "loadend"]);
  assert.equal(await world.settle(tab.attemptRefreshingSession()), true);
  assert.equal(world.server.sent("/feed").length, 1);
});

test("aborting a request under way is the browser's business", async () => {
  const { world } = await page();
  const { xhr, told } = send(world, "GET", "/feed");
  xhr.abort();
  await world.clock.pass(1_000);
  assert.deepEqual(told, [1, "loadstart", 4, "abort", "loadend"]);
  assert.equal(world.server.refreshes, 0);
});

test("synchronous requests and other origins get neither headers nor a refresh", async () => {
  const { world } = await page();
  const foreign = send(world, "GET", "https://elsewhere.example/feed");
  await foreign.end();
  assert.equal(foreign.xhr.status, 401);
  const sync = new XMLHttpRequest();
  sync.open("GET", "/feed", false);
  const ended = new Promise((resolve) => sync.addEventListener("loadend", resolve));
  sync.send();
  await world.settle(ended);
  assert.equal(sync.status, 401);
  assert.deepEqual(world.server.log.map(({ headers }) => headers.get("rid")), [null, null]);
  assert.deepEqual([foreign.xhr.withCredentials, sync.withCredentials, world.server.refreshes], [false, false, 0]);
});

test("the session's own requests are not intercepted", async () => {
  const { world, tab } = await page();
  const seen = [];
  const through = globalThis.fetch;
  globalThis.fetch = (...given) => (seen.push(given[0]), through(...given));
  await world.settle(tab.signOut());
  await world.settle(tab.attemptRefreshingSession());
  assert.deepEqual(seen, []);
});

test("doing it twice is doing it once, and undoing gives everything back", async () => {
  const { tab, before } = await page();
  const during = [globalThis.fetch, globalThis.XMLHttpRequest];
  assert.equal(intercept(tab), undo);
  assert.deepEqual([globalThis.fetch, globalThis.XMLHttpRequest], during);
  undo();
  undo();
  assert.deepEqual([globalThis.fetch, globalThis.XMLHttpRequest], before);
});

test("an undoing used twice does not end what was begun again in between", async () => {
  const { tab } = await page();
  const first = undo;
  const native = globalThis.fetch;
  first();
  undo = intercept(tab);
  const during = globalThis.fetch;
  assert.notEqual(during, native);
  first();
  assert.equal(globalThis.fetch, during);
  assert.equal(intercept(tab), undo);
});

test("a class that somebody kept gives plain requests after the end", async () => {
  const { world } = await page();
  const Kept = XMLHttpRequest;
  undo();
  globalThis.XMLHttpRequest = Kept;
  const { xhr, end } = send(world, "GET", "/feed");
  await end();
  assert.deepEqual([xhr.status, world.server.refreshes], [401, 0]);
});

test("a refused answer is told when its body is there", async () => {
  const { world } = await page();
  world.server.refreshScript = [() => world.server.refuse()];
  world.server.routes["/feed"] = () => {
    const body = new ReadableStream({
      async start(controller) {
        await world.clock.wait(500);
        controller.enqueue(new TextEncoder().encode("late"));
        controller.close();
      },
    });
    return new Response(body, { status: 401 });
  };
  const { xhr, told, end } = send(world, "GET", "/feed");
  await end();
  assert.deepEqual([xhr.response, xhr.readyState, told], ["late", 4, [1, "loadstart", 4, "load", "loadend"]]);
});

test("a request of the user who was signed in before is not repeated, and its refusal is told", async () => {
  const { world, tab } = await page();
  const other = world.tab();
  world.server.latencyMs = ({ path }) => (path === "/feed" ? 100 : 10);
  world.server.routes["/feed"] = () => world.server.tryRefresh();
  const { xhr, told, end } = send(world, "GET", "/feed");
  world.server.userId = "bob";
  await world.settle(other.fetch("/login"));
  await end();
  assert.deepEqual([xhr.status, told.slice(-2), world.server.sent("/feed").length], [401, ["load", "loadend"], 1]);
  assert.equal(tab.getUserId(), "bob");
});

test("an object opened anew while a refresh is under way makes a new request, with headers of its own", async () => {
  const { world } = await page();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const { xhr, told, end } = send(world, "GET", "/first", { headers: { "x-own": "1" } });
  await world.clock.pass(100);
  xhr.open("GET", "/second");
  xhr.send();
  await end();
  assert.deepEqual([xhr.status, JSON.parse(xhr.response)], [200, { path: "/second" }]);
  assert.deepEqual(told.slice(-2), ["load", "loadend"]);
  assert.deepEqual(world.server.sent("/second").map(({ headers }) => headers.get("x-own")), [null, null]);
  assert.equal(world.server.sent("/first").length, 1);
});

test("aborting before sending changes nothing, as in the browser", async () => {
  const { world } = await page();
  const xhr = new XMLHttpRequest();
  const ended = new Promise((resolve) => xhr.addEventListener("loadend", resolve));
  xhr.open("GET", "/feed");
  xhr.setRequestHeader("x-own", "1");
  xhr.abort();
  xhr.send();
  await world.settle(ended);
  assert.deepEqual(world.server.sent("/feed").map(({ headers }) => headers.get("x-own")), ["1", "1"]);
});

test("a wrapper that somebody put around ours stays, and ours passes everything on", async () => {
  const { world } = await page();
  const ours = globalThis.fetch;
  globalThis.fetch = (...given) => ours(...given);
  const wrapper = globalThis.fetch;
  undo();
  assert.equal(globalThis.fetch, wrapper);
  assert.equal((await world.settle(fetch(`${PAGE}/feed`))).status, 401);
  assert.equal(world.server.refreshes, 0);
});

test("what somebody has put there and closed to assignments is wrapped as well, and given back", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  Object.defineProperty(globalThis, "fetch", { configurable: true, writable: false, value: world.server.fetch });
  try {
    undo = intercept(tab);
    assert.equal((await world.settle(fetch("/feed"))).status, 200);
    undo();
    assert.equal(globalThis.fetch, world.server.fetch);
  } finally {
    Object.defineProperty(globalThis, "fetch", { configurable: true, writable: true, value: NATIVE });
  }
});
