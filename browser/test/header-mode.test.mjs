import assert from "node:assert/strict";
import { test } from "node:test";

import { json, World } from "./world.mjs";

const HEADER = { tokenTransferMethod: "header" };

function headerWorld() {
  const world = new World();
  world.server.isHeaderMode = true;
  return world;
}

const authorizations = (world, path) => world.server.sent(path).map(({ headers }) => headers.get("authorization"));

test("a session in headers is refreshed and the call repeated, each request with the token that belongs to it", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  const sent = world.server.log.map(({ path, headers }) => [path, headers.get("authorization"), headers.get("st-auth-mode")]);
  assert.deepEqual(sent, [
    ["/feed", "Bearer access-1", "header"],
    ["/session/refresh", "Bearer refresh-1", "header"],
    ["/feed", "Bearer access-2", "header"],
  ]);
  assert.deepEqual(tab.told, [["REFRESH_SESSION", { userId: "ada" }]]);
});

test("the sign-in says that it wants headers, and cookie mode that it does not", async () => {
  const world = headerWorld();
  await world.settle(world.tab(HEADER).fetch("/login"));
  await world.settle(world.tab().fetch("/feed"));
  assert.deepEqual(world.server.log.map(({ headers }) => headers.get("st-auth-mode")), ["header", "cookie"]);
});

test("nothing of a session in headers is written to a cookie", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  await world.settle(tab.fetch("/feed"));
  await world.settle(tab.signOut());
  assert.deepEqual(world.jar.written, []);
});

test("a session in headers survives a reload and is shared by all tabs", async () => {
  const world = headerWorld();
  await world.expiredTab(HEADER);
  const tabs = [world.tab(HEADER), world.tab(HEADER)];
  assert.equal(tabs[0].getUserId(), "ada");
  const responses = await world.settle(Promise.all(tabs.map((tab) => tab.fetch("/feed"))));
  assert.deepEqual(responses.map(({ status }) => status), [200, 200]);
  assert.equal(world.server.refreshes, 1);
});

test("signing out removes the tokens, and other tabs hear of it", async () => {
  const world = headerWorld();
  const [tab, other] = [await world.expiredTab(HEADER), world.tab(HEADER)];
  await world.settle(tab.signOut());
  await world.clock.pass(1);
  assert.deepEqual(authorizations(world, "/signout"), ["Bearer access-1", "Bearer access-2"]);
  assert.deepEqual([...world.storage.texts.keys()], ["st-last-access-token-update"]);
  assert.deepEqual(other.names(), ["SESSION_ENDED_ELSEWHERE", "SESSION_EXPIRED"]);
  await world.settle(tab.fetch("/feed"));
  assert.equal(authorizations(world, "/feed").at(-1), null);
});

test("a tab that learns of a sign-out late does not remove the tokens of the session that begins meanwhile", async () => {
  const world = headerWorld();
  const deaf = { openChannel: () => () => undefined };
  const [tab, other] = [await world.expiredTab(HEADER, deaf), world.tab(HEADER, deaf)];
  await world.settle(other.signOut());
  world.storage.setItem("st-refresh-token", "of a session whose front token is about to be written");
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.names(), ["SESSION_ENDED_ELSEWHERE", "SESSION_EXPIRED"]);
  assert.ok(world.storage.getItem("st-refresh-token"));
});

for (const [name, refuse] of [
  ["refusal", (world) => world.server.refuse()],
  ["theft", (world) => world.server.refuse("token theft detected")],
  ["success", () => json({}, 200, { "front-token": "old", "st-access-token": "old", "st-refresh-token": "old" })],
]) {
  test(`a ${name} that concerns the old session leaves the one another tab has begun meanwhile`, async () => {
    const world = headerWorld();
    const [tab, other] = [await world.expiredTab(HEADER), world.tab(HEADER)];
    world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 100 : 10);
    world.server.refreshScript = [() => refuse(world)];
    const call = tab.fetch("/feed");
    await world.clock.pass(50);
    await world.settle(other.fetch("/login"));
    world.server.routes["/feed"] = () => json({});
    assert.equal((await world.settle(call)).status, 200);
    assert.deepEqual(tab.names(), []);
    assert.deepEqual(authorizations(world, "/feed"), ["Bearer access-1", "Bearer access-2"]);
    assert.deepEqual([tab.getUserId(), world.storage.getItem("st-refresh-token")], ["ada", "refresh-2"]);
  });
}

test("a call that is refused for good in the name of the old session leaves the new one and is repeated in its name", async () => {
  const world = headerWorld();
  const [tab, other] = [await world.expiredTab(HEADER), world.tab(HEADER)];
  world.server.latencyMs = ({ path }) => (path === "/slow" ? 100 : 10);
  let calls = 0;
  world.server.routes["/slow"] = () => ((calls += 1) === 1 ? world.server.refuse() : json({}));
  const call = tab.fetch("/slow");
  await world.settle(other.fetch("/login"));
  assert.equal((await world.settle(call)).status, 200);
  assert.deepEqual(authorizations(world, "/slow"), ["Bearer access-1", "Bearer access-2"]);
  assert.deepEqual([tab.names(), world.server.refreshes], [[], 0]);
});

test("a refused refresh removes the tokens", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  world.server.refreshScript = [() => world.server.refuse()];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.deepEqual([...world.storage.texts.keys()], ["st-last-access-token-update"]);
});

test("a front token that says remove deletes all tokens, also where a proxy dropped the empty headers", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  world.server.routes["/account"] = () => json({}, 200, { "front-token": "remove" });
  await world.settle(tab.fetch("/account"));
  assert.deepEqual([...world.storage.texts.keys()], ["st-last-access-token-update"]);
});

test("an empty token header deletes that token and no other; an absent one deletes nothing", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  world.server.routes["/plain"] = () => json({});
  await world.settle(tab.fetch("/plain"));
  assert.deepEqual([world.storage.getItem("st-access-token"), world.storage.getItem("st-refresh-token")], ["access-1", "refresh-1"]);
  world.server.routes["/odd"] = () => json({}, 200, { "st-access-token": "" });
  await world.settle(tab.fetch("/odd"));
  assert.deepEqual([world.storage.getItem("st-access-token"), world.storage.getItem("st-refresh-token")], [null, "refresh-1"]);
});

test("a new access token may come with any answer", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  world.server.routes["/plain"] = () => json({}, 200, { "st-access-token": "access-of-another-kind" });
  await world.settle(tab.fetch("/plain"));
  await world.settle(tab.fetch("/plain"));
  assert.deepEqual(authorizations(world, "/plain"), ["Bearer access-1", "Bearer access-of-another-kind"]);
});

test("an Authorization of the application's own stays, on the repetition too", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  let calls = 0;
  world.server.routes["/feed"] = () => ((calls += 1) === 1 ? world.server.tryRefresh() : json({}));
  await world.settle(tab.fetch("/feed", { headers: { Authorization: "Basic b3du" } }));
  assert.deepEqual(authorizations(world, "/feed"), ["Basic b3du", "Basic b3du"]);
});

test("an Authorization that the application copied from us is renewed with the session", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  await world.settle(tab.fetch("/feed", { headers: { Authorization: "Bearer access-1" } }));
  assert.deepEqual(authorizations(world, "/feed"), ["Bearer access-1", "Bearer access-2"]);
});

test("another origin gets no token, and what it sends as one is not kept", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  const before = [...world.storage.texts];
  world.server.routes["/evil"] = () => json({}, 200, { "st-access-token": "planted", "st-refresh-token": "" });
  await world.settle(tab.fetch("https://elsewhere.example/evil"));
  world.server.routes["/moved"] = () => {
    const response = json({}, 200, { "st-access-token": "planted", "front-token": "remove" });
    return Object.defineProperty(response, "url", { value: "https://elsewhere.example/landed" });
  };
  await world.settle(tab.fetch("/moved"));
  assert.deepEqual(authorizations(world, "/evil"), [null]);
  assert.deepEqual([...world.storage.texts], before);
});

test("a call which asks for no credentials gets no token", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  await world.settle(tab.fetch("/public", { credentials: "omit" }));
  assert.deepEqual(authorizations(world, "/public"), [null]);
});

test("in cookie mode a token in a header is not taken to where scripts can read it", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.routes["/feed"] = () => json({}, 200, { "st-access-token": "access", "st-refresh-token": "refresh" });
  await world.settle(tab.fetch("/feed"));
  world.server.refreshScript = [() => json({}, 200, { "st-refresh-token": "refresh" })];
  await world.settle(tab.attemptRefreshingSession());
  assert.deepEqual([...world.storage.texts.keys()], ["st-attempt"]);
});

test("a session that lives in headers stays there until it ends, though the page now wants cookies", async () => {
  const world = headerWorld();
  await world.expiredTab(HEADER);
  const tab = world.tab();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  const sent = world.server.log.map(({ headers }) => [headers.get("authorization"), headers.get("st-auth-mode")]);
  assert.deepEqual(sent, [["Bearer access-1", "cookie"], ["Bearer refresh-1", "cookie"], ["Bearer access-2", "cookie"]]);
  await world.settle(tab.signOut());
  assert.deepEqual([world.storage.getItem("st-access-token"), world.storage.getItem("st-refresh-token")], [null, null]);
});

test("it stays there also while it has no access token", async () => {
  const world = headerWorld();
  await world.expiredTab(HEADER);
  world.storage.removeItem("st-access-token");
  const tab = world.tab();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual(authorizations(world, "/feed"), [null, "Bearer access-2"]);
});

test("a session that lives in cookies stays there until it ends, though the page now wants headers", async () => {
  const world = new World();
  await world.expiredTab();
  const tab = world.tab(HEADER);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(tab.getUserId(), "ada");
  assert.deepEqual(authorizations(world, "/session/refresh"), [null]);
  assert.equal(world.storage.getItem("st-refresh-token"), null);
});

const FORBIDDEN = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};
const FULL = () => ({ getItem: () => null, setItem: FORBIDDEN, removeItem: () => undefined });

for (const [name, storage] of [["forbids storage", FORBIDDEN], ["has no room left", FULL]]) {
  test(`a browser that ${name} keeps the session in the memory of the tab`, async () => {
    const world = headerWorld();
    const tab = await world.expiredTab(HEADER, { storage });
    assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
    assert.equal(tab.getUserId(), "ada");
    await world.settle(tab.signOut());
    assert.equal(await tab.doesSessionExist(), false);
    assert.equal(tab.getUserId(), undefined);
  });
}

test("what the storage had no room for counts until it takes something newer", async () => {
  const world = headerWorld();
  let isFull = false;
  const { getItem, setItem, removeItem } = world.storage;
  const storage = { getItem, removeItem, setItem: (name, value) => (isFull ? FORBIDDEN() : setItem(name, value)) };
  const tab = await world.expiredTab(HEADER, { storage: () => storage });
  isFull = true;
  await world.settle(tab.fetch("/feed"));
  isFull = false;
  world.server.expire();
  await world.settle(tab.fetch("/feed"));
  await world.settle(tab.fetch("/feed"));
  assert.deepEqual(authorizations(world, "/feed").at(-1), "Bearer access-3");
  assert.equal(world.storage.getItem("st-refresh-token"), "refresh-3");
});

test("a front token of any length fits into the storage", async () => {
  const world = headerWorld();
  world.server.payload = { text: "x".repeat(5_000) };
  const tab = await world.expiredTab(HEADER);
  assert.equal(tab.getAccessTokenPayload().text.length, 5_000);
  assert.equal(await tab.doesSessionExist(), true);
});

test("an unknown way to transfer tokens is refused at once", () => {
  assert.throws(() => new World().tab({ tokenTransferMethod: "url" }), { name: "TypeError", message: /tokenTransferMethod/ });
});

test("no token is in an error, an event or an address", async () => {
  const world = headerWorld();
  const tab = await world.expiredTab(HEADER);
  world.server.refreshScript = Array(6).fill(() => json({}, 503));
  const error = await world.settle(tab.fetch("/feed")).catch((reason) => reason);
  const said = [String(error.stack), JSON.stringify(error), JSON.stringify(tab.told), ...world.server.log.map(({ raw }) => String(raw[0]))];
  assert.doesNotMatch(said.join(), /access-1|refresh-1/);
});
