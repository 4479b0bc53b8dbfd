import assert from "node:assert/strict";
import { test } from "node:test";

import { SignOutError } from "../dist/reseal-browser.js";
import { answer, json, networkFailure, World } from "./world.mjs";

async function signedInTab(world) {
  const tab = await world.expiredTab();
  world.server.accessIsValid = true;
  return tab;
}

test("signing out ends the session there and here", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const tab = await signedInTab(world);
  await world.settle(tab.signOut());
  const [call] = world.server.log;
  assert.deepEqual([call.method, call.path, call.credentials, call.redirect], ["POST", "/signout", "include", "error"]);
  assert.deepEqual(
    ["rid", "anti-csrf", "st-auth-mode", "fdi-version"].map((name) => call.headers.get(name)),
    ["session", "csrf", "cookie", "1.16,1.17,1.18,1.19,2.0,3.0,3.1,4.0,4.1,4.2"],
  );
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.told, [["SIGN_OUT", { userId: "ada" }]]);
  assert.equal(world.jar.get("sAntiCsrf"), undefined);
});

test("a sign-out whose headers are hidden from scripts ends the session here all the same", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = () => json({ status: "OK" });
  await world.settle(tab.signOut());
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.names(), ["SIGN_OUT"]);
});

test("without a session nothing is sent", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  await world.settle(tab.signOut());
  await world.settle(tab.signOut());
  assert.equal(world.server.sent("/signout").length, 1);
});

test("two sign-outs at once are one", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  await world.settle(Promise.all([tab.signOut(), tab.signOut()]));
  assert.equal(world.server.sent("/signout").length, 1);
});

test("with an expired access token the session is refreshed first, so that the server can end it", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  await world.settle(tab.signOut());
  assert.deepEqual(world.server.log.map(({ path }) => path), ["/signout", "/session/refresh", "/signout"]);
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION", "SIGN_OUT"]);
});

test("a session that turns out to be over counts as signed out", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => world.server.refuse()];
  await world.settle(tab.signOut());
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});

test("a sign-out refused for ever counts as signed out after one refresh", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = () => json({ message: "unauthorised" }, 401);
  await world.settle(tab.signOut());
  assert.equal(world.server.refreshes, 1);
  assert.equal(await tab.doesSessionExist(), false);
});

test("status 503 is said, with the time to wait, and the session stays", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = answer(503, { "retry-after": "4" });
  const error = await world.settle(tab.signOut()).catch((reason) => reason);
  assert.ok(error instanceof SignOutError);
  assert.deepEqual([error.code, error.status, error.retryAfterMs], ["SIGN_OUT_FAILED", 503, 4000]);
  assert.equal(await tab.doesSessionExist(), true);
  assert.deepEqual(tab.names(), []);
  delete world.server.routes["/signout"];
  await world.settle(tab.signOut());
  assert.deepEqual(tab.names(), ["SIGN_OUT"]);
});

test("a failing network is said, with its cause, and the session stays", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = networkFailure;
  const error = await world.settle(tab.signOut()).catch((reason) => reason);
  assert.ok(error instanceof SignOutError && error.cause instanceof TypeError);
  assert.equal(await tab.doesSessionExist(), true);
});

test("a sign-out that is never answered is given up after a minute", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.latencyMs = () => 1e9;
  const start = world.clock.now;
  await assert.rejects(world.settle(tab.signOut()), SignOutError);
  assert.equal(world.clock.now - start, 60_000);
});

test("an application's refusal inside a 200 is said", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = () => json({ status: "GENERAL_ERROR", message: "not today" });
  await assert.rejects(world.settle(tab.signOut()), SignOutError);
  assert.equal(await tab.doesSessionExist(), true);
});

test("an application's own success without a body is believed", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.routes["/signout"] = () => new Response(null, { status: 204 });
  await world.settle(tab.signOut());
  assert.equal(await tab.doesSessionExist(), false);
});

test("a sign-out waits for the refresh under way, which could otherwise revive the session", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const call = tab.fetch("/feed");
  await world.clock.pass(100);
  await world.settle(Promise.all([tab.signOut(), call]));
  const [refresh] = world.server.sent("/session/refresh");
  assert.ok(world.server.sent("/signout")[0].at >= refresh.at + 500);
  assert.equal(await tab.doesSessionExist(), false);
});

test("a call refused during a sign-out waits for it instead of refreshing", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  world.server.latencyMs = ({ path }) => (path === "/signout" ? 300 : 10);
  world.server.routes["/feed"] = () => world.server.tryRefresh();
  const [, response] = await world.settle(Promise.all([tab.signOut(), tab.fetch("/feed")]));
  assert.equal(response.status, 401);
  assert.equal(world.server.refreshes, 0);
  assert.deepEqual(tab.names(), ["SIGN_OUT"]);
});

test("a sign-out does not forget the user who signed in in another tab meanwhile", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.routes["/signout"] = () => world.server.tryRefresh();
  world.server.latencyMs = ({ path }) => (path === "/signout" ? 100 : 10);
  const leaving = tab.signOut();
  world.server.userId = "bob";
  await world.settle(other.fetch("/login"));
  await assert.rejects(world.settle(leaving), SignOutError);
  assert.equal(tab.getUserId(), "bob");
});

test("a sign-out that another tab's refresh crosses is sent again, so that no late cookie stays", async () => {
  const world = new World();
  const [tab, other] = [await signedInTab(world), world.tab()];
  world.server.routes["/signout"] = () => json({ status: "OK" }, 200, { "front-token": "remove" });
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 500 : 10);
  const refreshing = other.attemptRefreshingSession();
  await world.clock.pass(100);
  await world.settle(Promise.all([tab.signOut(), refreshing]));
  const [first, second, ...more] = world.server.sent("/signout");
  assert.ok(first.at < second.at && more.length === 0);
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.names(), ["SIGN_OUT"]);
});

test("a sign-out that another user's sign-in crosses is not sent again in his name", async () => {
  const world = new World();
  const [tab, other] = [await signedInTab(world), world.tab()];
  world.server.routes["/signout"] = () => json({ status: "OK" });
  world.server.latencyMs = ({ path }) => (path === "/signout" ? 100 : 10);
  const leaving = tab.signOut();
  world.server.userId = "bob";
  await world.settle(other.fetch("/login"));
  await world.settle(leaving);
  assert.equal(world.server.sent("/signout").length, 1);
});

test("a sign-out waits five seconds at most for another tab's refresh", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  void world.locks.request("", { signal: new AbortController().signal }, () => new Promise(() => {}));
  const start = world.clock.now;
  await world.settle(tab.signOut());
  assert.equal(world.clock.now - start, 5_010);
  assert.equal(await tab.doesSessionExist(), false);
});

test("a refresh that is answered after another tab signed out is taken back", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.accessIsValid = true;
  world.server.refreshScript = [() => world.server.accept()];
  world.server.latencyMs = ({ path }) => (path === "/session/refresh" ? 7_000 : 10);
  const refreshing = tab.attemptRefreshingSession();
  await world.clock.pass(100);
  world.server.routes["/signout"] = () => json({ status: "OK" }, 200, { "front-token": "remove" });
  await world.settle(other.signOut());
  world.server.refreshScript.push(() => world.server.refuse());
  assert.equal(await world.settle(refreshing), false);
  assert.equal(world.server.refreshes, 2);
  assert.equal(await tab.doesSessionExist(), false);
});

test("a refresh asked for during a sign-out is not sent", async () => {
  const world = new World();
  const tab = await signedInTab(world);
  const [, isAlive] = await world.settle(Promise.all([tab.signOut(), tab.attemptRefreshingSession()]));
  assert.equal(isAlive, false);
  assert.equal(world.server.refreshes, 0);
});
