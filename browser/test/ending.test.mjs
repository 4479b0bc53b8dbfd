import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, json, World } from "./world.mjs";

test("a refused refresh ends the session: one event, the original answers, cleared state, no loop", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => world.server.refuse()];
  const responses = await world.settle(Promise.all(Array.from({ length: 30 }, () => tab.fetch("/feed"))));
  for (const response of responses) {
    assert.equal(response.status, 401);
    assert.deepEqual(await response.json(), { message: "try refresh token" });
  }
  assert.equal(world.server.refreshes, 1);
  const end = { userId: "ada", reason: "refused", serverReason: undefined, serverNote: undefined };
  assert.deepEqual(tab.told, [["SESSION_EXPIRED", end]]);
  assert.equal(await tab.doesSessionExist(), false);
  assert.equal(tab.getUserId(), undefined);
  assert.equal(tab.getAccessTokenPayload(), undefined);
  assert.equal(world.jar.get("sAntiCsrf"), undefined);
});

test("a refusal counts without any header and without a readable body", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => new Response("<html>", { status: 401 })];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
  assert.equal(await tab.doesSessionExist(), false);
});

test("calls after the end are sent, answered and not followed by a refresh", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => world.server.refuse()];
  await world.settle(tab.fetch("/feed"));
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.equal((await world.settle(tab.fetch("/public"))).status, 401);
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});

test("theft is told by its own event, and the end of the session after it", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => world.server.refuse("token theft detected")];
  const responses = await world.settle(Promise.all([tab.fetch("/a"), tab.fetch("/b")]));
  assert.deepEqual(responses.map(({ status }) => status), [401, 401]);
  assert.deepEqual(tab.told, [
    ["TOKEN_THEFT", { userId: "ada" }],
    ["SESSION_EXPIRED", { userId: "ada", reason: "token-theft", serverReason: undefined, serverNote: undefined }],
  ]);
  assert.equal(await tab.doesSessionExist(), false);
});

test("the party that was robbed is told of the theft as well, when its own refresh is refused", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => world.server.refuse("unauthorised", { "front-token": "remove" }, "theft")];
  await world.settle(tab.fetch("/a"));
  assert.deepEqual(tab.told.map(([event]) => event), ["TOKEN_THEFT", "SESSION_EXPIRED"]);
});

test("the server's reason for the end is passed on, whatever it is, if it is a text", async () => {
  for (const [said, told] of [["user_revoked", "user_revoked"], ["of the future", "of the future"], [7, undefined]]) {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.refreshScript = [() => world.server.refuse("unauthorised", { "front-token": "remove" }, said)];
    await world.settle(tab.fetch("/a"));
    assert.deepEqual(tab.told, [["SESSION_EXPIRED", { userId: "ada", reason: "refused", serverReason: told, serverNote: undefined }]]);
  }
});

test("the application's own words for the end are passed on beside the reason", async () => {
  for (const [said, told] of [["you signed in on another phone", "you signed in on another phone"], [7, undefined]]) {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.refreshScript = [() => json({ message: "unauthorised", reason: "revoked", note: said }, 401, { "front-token": "remove" })];
    await world.settle(tab.fetch("/a"));
    const end = { userId: "ada", reason: "refused", serverReason: "revoked", serverNote: told };
    assert.deepEqual(tab.told, [["SESSION_EXPIRED", end]]);
  }
});

test("a refusal whose body is JSON but no object says nothing", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => json(null, 401)];
  assert.equal((await world.settle(tab.fetch("/a"))).status, 401);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});

test("the state is already cleared when the page is told", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  let seen = "nothing";
  tab.on("SESSION_EXPIRED", () => (seen = tab.getUserId()));
  world.server.refreshScript = [() => world.server.refuse()];
  await world.settle(tab.fetch("/feed"));
  assert.equal(seen, undefined);
});

test("a visitor known to be signed out causes no refresh", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.jar.write("sFrontToken=;max-age=0");
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.equal(world.server.refreshes, 0);
});

test("a first visitor's refused call is followed by one refresh; afterwards the browser knows", async () => {
  const world = new World();
  const tab = world.tab();
  world.server.expire();
  world.server.refreshScript = [() => world.server.refuse()];
  const responses = await world.settle(Promise.all([tab.fetch("/a"), tab.fetch("/b")]));
  assert.deepEqual(responses.map(({ status }) => status), [401, 401]);
  await world.settle(tab.fetch("/a"));
  assert.equal(world.server.refreshes, 1);
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.told, [], "nobody's session expired");
});

test("a first visitor's answered call causes no refresh", async () => {
  const world = new World();
  const tab = world.tab();
  world.server.routes["/public"] = () => json({});
  await world.settle(tab.fetch("/public"));
  assert.equal(world.server.refreshes, 0);
});

test("a browser that dropped the readable cookies finds its session again by one refresh", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.jar.wipe();
  assert.equal(await world.settle(tab.doesSessionExist()), true);
  assert.equal(tab.getUserId(), "ada");
  assert.equal(await world.settle(tab.doesSessionExist()), true);
  assert.equal(world.server.refreshes, 1);
  world.jar.wipe();
  const fresh = world.tab();
  assert.equal(await world.settle(fresh.doesSessionExist()), true);
  assert.deepEqual(fresh.names(), ["REFRESH_SESSION"], "what was found again is no new session");
});

test("asking an unreachable server whether there is a session rejects instead of guessing", async () => {
  const world = new World();
  const tab = world.tab();
  world.server.refreshScript = Array(6).fill(answer(503));
  await assert.rejects(world.settle(tab.doesSessionExist()), { code: "SESSION_REFRESH_FAILED" });
});

test("an ordinary answer that removes the session ends it, with the event that fits its status", async () => {
  for (const [status, event] of [[200, "SIGN_OUT"], [401, "SESSION_EXPIRED"]]) {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.routes["/account"] = () => json({}, status, { "front-token": "remove" });
    assert.equal((await world.settle(tab.fetch("/account"))).status, status);
    assert.deepEqual(tab.names(), [event]);
    assert.equal(world.server.refreshes, 0);
  }
});

test("a refusal of the old session does not end the one another tab has just begun", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 100 : 10);
  world.server.refreshScript = [() => json({ message: "unauthorised" }, 401)];
  const call = tab.fetch("/feed");
  await world.clock.pass(50);
  await world.settle(other.fetch("/login"));
  assert.equal((await world.settle(call)).status, 200);
  assert.equal(await tab.doesSessionExist(), true);
  assert.deepEqual(tab.names(), []);
});

test("a call is not repeated in the name of a user who signed in meanwhile", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.latencyMs = ({ path }) => (path === "/transfer" ? 100 : 10);
  world.server.routes["/transfer"] = () => world.server.tryRefresh();
  const call = tab.fetch("/transfer", { method: "POST" });
  world.server.userId = "bob";
  await world.settle(other.fetch("/login"));
  assert.equal((await world.settle(call)).status, 401);
  assert.equal(world.server.sent("/transfer").length, 1);
  assert.equal(world.server.refreshes, 0);
});

test("a refresh that succeeds and removes the session ends it", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => json({}, 200, { "front-token": "remove" })];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
  assert.equal(world.server.sent("/feed").length, 1);
});

test("a front token emptied by somebody else counts as removed", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.jar.write("sFrontToken=");
  assert.equal(await tab.doesSessionExist(), false);
});
