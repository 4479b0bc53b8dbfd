/** Somebody signs in while the session of another one is refreshed: whoever signed in last stays signed in. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SessionReplacedError } from "../dist/reseal-browser.js";
import { frontToken, json, World } from "./world.mjs";

const SLOW_REFRESH = ({ path }) => (path === "/session/refresh" ? 500 : 10);

function slowFirstRefresh(world, slowMs) {
  return ({ path }) => (path === "/session/refresh" && world.server.sent(path).length === 1 ? slowMs : 10);
}

function signIn(tab, world, userId, init = {}) {
  world.server.routes["/login"] = () => {
    world.server.userId = userId;
    return world.server.accept();
  };
  return tab.fetch("/login", { method: "POST", ...init });
}

/** When each request was sent, and how it ended. */
const order = (world) => world.server.log.map(({ path, at }) => [path, at - world.server.log[0].at]);

for (const [place, open] of Object.entries({
  "the same tab": (world, tab) => tab,
  "another tab": (world) => world.tab(),
  "the same tab of a browser without locks": (world, tab) => tab,
})) {
  test(`a sign-in in ${place} waits for the refresh under way`, async () => {
    const world = new World();
    const tab = await world.expiredTab({}, place.endsWith("without locks") ? { locks: undefined } : {});
    world.server.latencyMs = SLOW_REFRESH;
    const call = tab.fetch("/feed");
    await world.clock.pass(100);
    const login = signIn(open(world, tab), world, "bob");
    await world.settle(Promise.all([call, login]));
    const newsHasTravelled = place.endsWith("without locks") ? 0 : 100;
    assert.deepEqual(order(world).find(([path]) => path === "/login"), ["/login", 510 + newsHasTravelled]);
    assert.equal(tab.getUserId(), "bob");
    assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  });
}

test("a call that changes nothing does not wait, and nor does a last one on leaving the page", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = SLOW_REFRESH;
  const call = tab.fetch("/feed");
  await world.clock.pass(100);
  const others = [tab.fetch("/get"), tab.fetch("/last", { method: "POST", body: "bye", keepalive: true })];
  assert.deepEqual(order(world).slice(-2), [["/get", 100], ["/last", 100]]);
  await world.settle(Promise.all([call, ...others]));
});

test("a call that may change who is signed in leaves at once while nobody refreshes", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(signIn(tab, world, "ada"));
  const call = tab.fetch("/note", { method: "POST" });
  assert.equal(world.server.sent("/note").length, 1);
  await world.settle(call);
});

test("a refresh waits for a sign-in under way, and is then not needed", async () => {
  for (const isOther of [false, true]) {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.latencyMs = ({ path }) => (path === "/login" ? 500 : 10);
    world.server.routes["/feed"] = () => world.server.tryRefresh();
    const login = signIn(isOther ? world.tab() : tab, world, "bob");
    const [feed] = await world.settle(Promise.all([tab.fetch("/feed"), login]));
    assert.deepEqual([feed.status, world.server.refreshes, tab.getUserId()], [401, 0, "bob"]);
    assert.equal(world.server.sent("/feed").length, 1); // not repeated in the other one's name
  }
});

test("an upload under way holds a refresh up for five seconds at most", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.accessIsValid = true;
  world.server.latencyMs = ({ path }) => (path === "/upload" ? 60_000 : 10);
  const upload = tab.fetch("/upload", { method: "POST", body: "much" });
  await world.clock.pass(10_000);
  world.server.expire();
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.ok(world.clock.now - start < 100);
  await world.settle(upload);
  assert.equal(world.clock.timers, 0);
});

test("a refresh that a sign-in did not wait for any longer is given up when that succeeds", async () => {
  for (const isOther of [false, true]) {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.latencyMs = slowFirstRefresh(world, 14_000);
    world.server.routes["/feed"] = () => world.server.tryRefresh();
    const call = tab.fetch("/feed");
    await world.clock.pass(100);
    const [login, feed] = await world.settle(Promise.all([signIn(isOther ? world.tab() : tab, world, "bob"), call]));
    assert.deepEqual([login.status, feed.status, tab.getUserId()], [200, 401, "bob"]);
    assert.equal(world.server.sent("/feed").length, 1);
    assert.ok(world.clock.now < world.server.log[0].at + 6_000, "nobody waited for the old answer");
    assert.ok(!tab.names().includes("SESSION_EXPIRED"));
  }
});

/** The world's network, but a refresh that has left cannot be called back. */
function deaf(world) {
  return (input, init) => {
    const { signal, ...rest } = init;
    return world.server.fetch(input, String(input).endsWith("/session/refresh") ? rest : init);
  };
}

test("what the browser presents after a late answer tells who is signed in", async () => {
  const world = new World();
  const late = await world.expiredTab({}, { fetch: deaf(world) });
  world.server.latencyMs = slowFirstRefresh(world, 7_000);
  world.server.refreshScript = [() => json({}, 200, { "front-token": frontToken("ada") }), () => world.server.accept()];
  const refreshing = late.attemptRefreshingSession();
  await world.clock.pass(100);
  await world.settle(signIn(world.tab(), world, "bob"));
  assert.equal(await world.settle(refreshing), true);
  assert.deepEqual([late.getUserId(), world.server.refreshes], ["bob", 2]);
});

test("if the late answer has taken the new session away, the page is told that nobody is signed in", async () => {
  const world = new World();
  const late = await world.expiredTab({}, { fetch: deaf(world) });
  world.server.latencyMs = slowFirstRefresh(world, 7_000);
  world.server.refreshScript = [() => json({}, 200, { "front-token": frontToken("ada") }), () => world.server.refuse()];
  const refreshing = late.attemptRefreshingSession();
  await world.clock.pass(100);
  await world.settle(signIn(world.tab(), world, "bob"));
  assert.equal(await world.settle(refreshing), false);
  assert.deepEqual(late.names(), ["SESSION_CREATED", "SESSION_EXPIRED"]);
});

test("a late refusal of the old session asks once more, and whoever signed in since stays signed in", async () => {
  const world = new World();
  const late = await world.expiredTab({}, { fetch: deaf(world) });
  world.server.latencyMs = slowFirstRefresh(world, 7_000);
  world.server.refreshScript = [() => world.server.refuse(), () => world.server.accept()];
  const refreshing = late.attemptRefreshingSession();
  await world.clock.pass(100);
  await world.settle(signIn(world.tab(), world, "bob"));
  assert.equal(await world.settle(refreshing), true);
  assert.deepEqual([late.getUserId(), world.server.refreshes], ["bob", 2]);
  assert.ok(!late.names().includes("SESSION_EXPIRED"));
});

test("a late answer to a call of the old session is not believed, and the cookies that it brought are renewed", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(signIn(tab, world, "ada"));
  world.server.routes["/plan"] = () => json({}, 200, { "front-token": frontToken("ada", { plan: "new" }) });
  world.server.latencyMs = ({ path }) => (path === "/plan" ? 500 : 10);
  const call = tab.fetch("/plan", { method: "POST" });
  await world.settle(signIn(tab, world, "bob"));
  await world.settle(call);
  await world.clock.pass(1_000);
  assert.deepEqual([tab.getUserId(), world.server.refreshes], ["bob", 1]);
});

for (const [place, open] of Object.entries({ "this tab": (world, tab) => tab, "another tab": (world) => world.tab() })) {
  test(`a late answer after a sign-out in ${place} signs nobody in, and the cookies that it brought are taken away`, async () => {
    const world = new World();
    const tab = world.tab();
    await world.settle(signIn(tab, world, "ada"));
    world.server.routes["/plan"] = () => json({}, 200, { "front-token": frontToken("ada", { plan: "new" }) });
    world.server.latencyMs = ({ path }) => (path === "/plan" ? 500 : 10);
    const call = tab.fetch("/plan");
    await world.settle(open(world, tab).signOut());
    await world.settle(call);
    await world.clock.pass(1_000);
    assert.equal(await tab.doesSessionExist(), false);
    assert.equal(world.server.sent("/signout").at(-1).at, world.server.sent("/plan")[0].at + 500);
    assert.deepEqual([tab.getUserId(), world.server.refreshes, world.clock.timers], [undefined, 0, 0]);
    assert.deepEqual(tab.names().filter((name) => name === "SESSION_CREATED").length, 1);
  });
}

test("cookies that came after a sign-out are not taken away from somebody who signed in since", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(signIn(tab, world, "ada"));
  world.server.routes["/plan"] = () => json({}, 200, { "front-token": frontToken("ada", { plan: "new" }) });
  world.server.latencyMs = ({ path }) => ({ "/plan": 500, "/login": 1_000 })[path] ?? 10;
  const call = tab.fetch("/plan");
  await world.settle(tab.signOut());
  const login = signIn(world.tab(), world, "bob");
  await world.settle(Promise.all([call, login]));
  await world.clock.pass(1_000);
  assert.equal(world.server.sent("/signout").length, 1);
  assert.equal(tab.getUserId(), "bob");
});

test("in headers a late answer to a call of the old session changes nothing", async () => {
  for (const brings of ["tokens", "remove"]) {
    const world = new World();
    world.server.isHeaderMode = true;
    const tab = world.tab({ tokenTransferMethod: "header" });
    await world.settle(signIn(tab, world, "ada"));
    const old = { "front-token": frontToken("ada"), "st-access-token": "old", "st-refresh-token": "old" };
    world.server.routes["/plan"] = () => json({}, 200, brings === "tokens" ? old : { "front-token": "remove" });
    world.server.latencyMs = ({ path }) => (path === "/plan" ? 500 : 10);
    const call = tab.fetch("/plan", { method: "POST" });
    await world.settle(signIn(tab, world, "bob"));
    await world.settle(call);
    assert.deepEqual([tab.getUserId(), world.server.refreshes], ["bob", 0]);
    assert.equal(world.storage.getItem("st-refresh-token"), "refresh-2");
  }
});

test("in headers a late answer after a sign-out brings no token back", async () => {
  const world = new World();
  world.server.isHeaderMode = true;
  const tab = world.tab({ tokenTransferMethod: "header" });
  await world.settle(signIn(tab, world, "ada"));
  const late = { "front-token": frontToken("ada"), "st-access-token": "late" };
  world.server.routes["/plan"] = () => json({}, 200, late);
  world.server.latencyMs = ({ path }) => (path === "/plan" ? 500 : 10);
  const call = tab.fetch("/plan");
  await world.settle(tab.signOut());
  await world.settle(call);
  assert.deepEqual([tab.getUserId(), world.storage.getItem("st-access-token")], [undefined, null]);
});

test("a call that waited is not sent in the name of another user", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab({}, { locks: undefined })];
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 14_000 : 10);
  const refreshing = tab.attemptRefreshingSession();
  await world.clock.pass(100);
  const note = tab.fetch("/note", { method: "POST" });
  await world.settle(signIn(other, world, "bob"));
  await assert.rejects(world.settle(note), SessionReplacedError);
  assert.equal(world.server.sent("/note").length, 0);
  await world.settle(refreshing);
});

test("a call that is aborted while it waits is not sent", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = SLOW_REFRESH;
  const refreshing = tab.attemptRefreshingSession();
  await world.clock.pass(100);
  const abort = new AbortController();
  const note = tab.fetch("/note", { method: "POST", signal: abort.signal });
  abort.abort();
  await assert.rejects(world.settle(note), { name: "AbortError" });
  await world.settle(refreshing);
  assert.equal(world.server.sent("/note").length, 0);
});

test("a sign-in waits for the sign-out that was asked for before it", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(signIn(tab, world, "ada"));
  world.server.latencyMs = ({ path }) => (path === "/signout" ? 500 : 10);
  const [, login] = await world.settle(Promise.all([tab.signOut(), signIn(tab, world, "bob")]));
  assert.deepEqual([login.status, tab.getUserId()], [200, "bob"]);
});
