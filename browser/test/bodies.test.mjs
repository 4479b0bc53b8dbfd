import assert from "node:assert/strict";
import { File } from "node:buffer"; // Global only since Node 20.
import { test } from "node:test";

import { World } from "./world.mjs";

const URL_OF_FEED = "https://app.example/feed";

async function bodiesSent(input, init) {
  const world = new World();
  const tab = await world.expiredTab();
  assert.equal((await world.settle(tab.fetch(input, init))).status, 200);
  return world.server.sent("/feed");
}

function stream(...parts) {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
}

const REPEATED = {
  "a string": ["/feed", { method: "POST", body: "käse" }, "käse"],
  "a Blob": ["/feed", { method: "POST", body: new Blob(["blob"]) }, "blob"],
  "URL parameters": ["/feed", { method: "PUT", body: new URLSearchParams({ a: "1 2" }) }, "a=1+2"],
  "a stream": [URL_OF_FEED, { method: "POST", body: stream("one ", "two"), duplex: "half" }, "one two"],
  "a Request": [new Request(URL_OF_FEED, { method: "POST", body: "in a request" }), undefined, "in a request"],
  "a Request with a stream": [
    new Request(URL_OF_FEED, { method: "POST", body: stream("streamed"), duplex: "half" }), undefined, "streamed",
  ],
  "a Request whose body is replaced": [new Request(URL_OF_FEED, { method: "POST", body: "old" }), { body: "new" }, "new"],
  "a URL object": [new URL(URL_OF_FEED), { method: "DELETE" }, ""],
  "a Request without body": [new Request(URL_OF_FEED), undefined, ""],
};

for (const [name, [input, init, expected]] of Object.entries(REPEATED)) {
  test(`${name} is sent again in full`, async () => {
    const sent = await bodiesSent(input, init);
    assert.deepEqual(sent.map(({ body }) => body), [expected, expected]);
    const method = init?.method ?? input.method;
    assert.deepEqual(sent.map((seen) => seen.method), [method, method]);
  });
}

test("a form with a file is sent again in full", async () => {
  const body = new FormData();
  body.set("title", "t");
  body.set("file", new File(["content"], "name.txt"));
  const sent = await bodiesSent("/feed", { method: "POST", body });
  assert.equal(sent.length, 2);
  for (const { form } of sent) {
    assert.equal(form.get("title"), "t");
    assert.equal(await form.get("file").text(), "content");
  }
});

test("a Request's headers and content type go with every repetition", async () => {
  const body = new FormData();
  body.set("title", "t");
  const sent = await bodiesSent(new Request(URL_OF_FEED, { method: "POST", body, headers: { "x-own": "1" } }));
  for (const { form, headers } of sent) assert.deepEqual([form.get("title"), headers.get("x-own")], ["t", "1"]);
});

test("a stream gets no content type of our making", async () => {
  const sent = await bodiesSent("/feed", { method: "POST", body: stream("x"), duplex: "half" });
  assert.deepEqual(sent.map(({ headers }) => headers.get("content-type")), [null, null]);
});

test("headers changed by the caller after the call do not reach the repetition", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const headers = new Headers({ "x-own": "before" });
  const call = tab.fetch("/feed", { headers });
  headers.set("x-own", "after");
  await world.settle(call);
  assert.deepEqual(world.server.sent("/feed").map((seen) => seen.headers.get("x-own")), ["before", "before"]);
  assert.deepEqual([...headers], [["x-own", "after"]]);
});

test("a call without a one-time body is sent before control returns to the caller", () => {
  const world = new World();
  const tab = world.tab();
  void tab.fetch("/beacon", { method: "POST", body: "bye", keepalive: true });
  assert.equal(world.server.log.length, 1);
});

test("a caller who aborts while a refresh is under way is released; the refresh goes on for the others", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const abort = new AbortController();
  const impatient = tab.fetch("/feed", { signal: abort.signal });
  const patient = tab.fetch("/other");
  await world.clock.pass(100);
  abort.abort();
  const before = world.clock.now;
  await assert.rejects(world.settle(impatient), { name: "AbortError" });
  assert.equal(world.clock.now, before);
  assert.equal((await world.settle(patient)).status, 200);
  assert.equal(world.server.sent("/feed").length, 1);
  assert.equal(world.server.refreshes, 1);
});

test("the reason for which a caller aborts is passed on, for the signal of a Request too", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const abort = new AbortController();
  const request = new Request(URL_OF_FEED, { signal: abort.signal });
  const call = tab.fetch(request);
  await world.clock.pass(100);
  abort.abort(new RangeError("enough"));
  await assert.rejects(world.settle(call), RangeError);
  assert.equal(request.signal.aborted, true); // Node.js 18 lets go of a Request that nobody holds, and of its signal
  assert.equal(await world.settle(tab.attemptRefreshingSession()), true);
});

test("a caller who aborts alone leaves no unhandled failure behind", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = Array(6).fill(() => new Response(null, { status: 500 }));
  const abort = new AbortController();
  const call = tab.fetch("/feed", { signal: abort.signal });
  await world.clock.pass(50);
  abort.abort();
  await assert.rejects(world.settle(call), { name: "AbortError" });
  await world.clock.pass(60_000);
  assert.deepEqual(tab.names(), ["REFRESH_FAILED"]);
});

test("a caller who aborts in the very moment of the refusal is released", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const abort = new AbortController();
  world.server.routes["/feed"] = () => (abort.abort(), world.server.tryRefresh());
  await assert.rejects(world.settle(tab.fetch("/feed", { signal: abort.signal })), { name: "AbortError" });
  assert.equal(world.server.sent("/feed").length, 1);
});

/** What the page changes after the call, and when the call has been refused. */
const CHANGED = {
  "URL parameters": [new URLSearchParams({ a: "kept" }), (body) => body.set("a", "changed")],
  bytes: [new TextEncoder().encode("kept"), (body) => body.fill(65)],
  "a part of a buffer": [new DataView(new TextEncoder().encode("--kept").buffer, 2), (body) => body.setUint8(0, 65)],
  "a buffer": [new TextEncoder().encode("kept").buffer, (body) => new Uint8Array(body).fill(65)],
};

for (const [name, [body, change]] of Object.entries(CHANGED)) {
  test(`${name}, changed by the page after the call, are repeated as they were`, async () => {
    const world = new World();
    const tab = await world.expiredTab();
    const call = tab.fetch("/feed", { method: "POST", body });
    change(body);
    await world.settle(call);
    const sent = world.server.sent("/feed").map((seen) => seen.body);
    assert.ok(sent.length === 2 && sent.every((text) => text.endsWith("kept")), sent.join());
  });
}

test("a form changed by the page after the call is repeated as it was", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const body = new FormData();
  body.set("title", "kept");
  const call = tab.fetch("/feed", { method: "POST", body });
  body.set("title", "changed");
  await world.settle(call);
  assert.deepEqual(world.server.sent("/feed").map(({ form }) => form.get("title")), ["kept", "kept"]);
});

test("a relative address is that of the moment of the call", async () => {
  const world = new World();
  let base = "https://app.example/inbox/1";
  const tab = await world.expiredTab({}, { baseUrl: () => base });
  const call = tab.fetch("./2");
  base = "https://app.example/other/1";
  await world.settle(call);
  assert.deepEqual(world.server.log.map(({ path }) => path), ["/inbox/2", "/session/refresh", "/inbox/2"]);
});

test("a Request with keepalive leaves before anything is waited for, and is repeated in full", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const call = tab.fetch(new Request(URL_OF_FEED, { method: "POST", body: "bye", keepalive: true }));
  assert.equal(world.server.sent("/feed").length, 1);
  await world.settle(call);
  assert.deepEqual(world.server.sent("/feed").map(({ body, method }) => [body, method]), [["bye", "POST"], ["bye", "POST"]]);
});

test("aborting is heard while the body is still being read", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const abort = new AbortController();
  const endless = new ReadableStream({ pull: () => new Promise(() => undefined) });
  const call = tab.fetch("/feed", { method: "POST", body: endless, duplex: "half", signal: abort.signal });
  abort.abort();
  await assert.rejects(world.settle(call), { name: "AbortError" });
  assert.equal(world.server.log.length, 0);
});

test("null is an address like any other text, as it is to fetch", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  assert.equal((await world.settle(tab.fetch(null))).status, 200);
  assert.equal(world.server.log[0].path, "/inbox/null");
});
