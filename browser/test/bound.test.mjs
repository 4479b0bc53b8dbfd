import assert from "node:assert/strict";
import { test } from "node:test";

import { json, World } from "./world.mjs";

/** Somebody is signed in, whose session the browser has bound, and whose access token has expired. */
async function boundWorld() {
  const world = new World();
  world.server.isBound = true;
  const tab = await world.expiredTab();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 1_000 : 10);
  return { world, tab };
}

/** The browser refreshes before it sends the next request. */
function refreshByBrowser(world) {
  world.server.tryRefresh = () => {
    world.server.accessIsValid = true;
    return json({ message: "try refresh token" }, 401);
  };
}

test("a call of a session that the browser refreshes is repeated at once, and the page learns of it meanwhile", async () => {
  const { world, tab } = await boundWorld();
  refreshByBrowser(world);
  world.server.payload = { role: "new" };
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.ok(world.clock.now - start < 100, "it has not waited for the page's own refresh");
  await world.clock.pass(2_000);
  assert.deepEqual([world.server.refreshes, world.server.sent("/feed").length], [1, 2]);
  assert.deepEqual(tab.names(), ["PAYLOAD_UPDATED", "REFRESH_SESSION"]);
});

test("a browser that could not refresh leaves it to the page", async () => {
  const { world, tab } = await boundWorld();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual([world.server.refreshes, world.server.sent("/feed").length], [1, 3]);
});

test("a refusal of the application's own is repeated once, as in other sessions", async () => {
  const { world, tab } = await boundWorld();
  world.server.routes["/password"] = () => json({ detail: "wrong password" }, 401);
  assert.equal((await world.settle(tab.fetch("/password", { method: "POST" }))).status, 401);
  assert.equal(world.server.sent("/password").length, 2);
});

test("a bound session that has ended is told once", async () => {
  const { world, tab } = await boundWorld();
  world.server.refreshScript = [() => world.server.refuse("unauthorised", {}, "revoked")];
  const calls = ["/a", "/b"].map((path) => tab.fetch(path));
  assert.deepEqual((await world.settle(Promise.all(calls))).map(({ status }) => status), [401, 401]);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});
