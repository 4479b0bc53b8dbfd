import assert from "node:assert/strict";
import { test } from "node:test";

import { SessionRefreshError } from "../dist/reseal-browser.js";
import { answer, json, networkFailure, World } from "./world.mjs";

const FAILURES = {
  "status 429": answer(429),
  "status 500": answer(500),
  "status 502": answer(502),
  "status 503": answer(503),
  "status 504": answer(504),
  "no network": networkFailure,
};

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`five times ${name} and then success is a success, with growing pauses`, async () => {
    const world = new World();
    const tab = await world.expiredTab({}, { random: () => 1 });
    world.server.refreshScript = Array(5).fill(failure);
    assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
    assert.deepEqual(pauses(world), [250, 500, 1000, 2000, 4000]);
    assert.deepEqual(tab.names(), ["REFRESH_SESSION"]);
  });

  test(`${name} for ever is given up after a bounded number of refreshes and keeps the session`, async () => {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.refreshScript = Array(6).fill(failure);
    const error = await world.settle(tab.fetch("/feed")).catch((reason) => reason);
    assert.ok(error instanceof SessionRefreshError);
    assert.equal(error.code, "SESSION_REFRESH_FAILED");
    assert.equal(error.attempts, 6);
    assert.deepEqual(tab.told, [["REFRESH_FAILED", { error }]]);
    assert.equal(await tab.doesSessionExist(), true);
    assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  });
}

test("a refresh of a session that is held is given up at once, and the session is kept", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => json({ message: "session held", reason: "step_up" }, 403)];
  const error = await world.settle(tab.fetch("/feed")).catch((reason) => reason);
  assert.ok(error instanceof SessionRefreshError);
  assert.deepEqual([error.status, error.attempts], [403, 1]);
  assert.deepEqual(tab.told, [["REFRESH_FAILED", { error }]]);
  assert.equal(await tab.doesSessionExist(), true);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
});

test("a failed refresh is told once and rejects all waiting calls", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = Array(6).fill(answer(503));
  const outcomes = await world.settle(Promise.allSettled([tab.fetch("/a"), tab.fetch("/b"), tab.fetch("/c")]));
  assert.ok(outcomes.every(({ reason }) => reason instanceof SessionRefreshError && reason.status === 503));
  assert.deepEqual(tab.names(), ["REFRESH_FAILED"]);
  assert.equal(world.server.refreshes, 6);
});

test("a lost refresh answer is asked for again", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => (world.server.accept(), networkFailure())];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.server.refreshes, 2);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION"]);
});

test("a refresh that is never answered counts as lost after fifteen seconds", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  let isFirst = true;
  world.server.latencyMs = ({ path }) => {
    if (path !== "/session/refresh" || !isFirst) return 10;
    isFirst = false;
    return 1e9;
  };
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  const [first, second] = world.server.sent("/session/refresh");
  assert.ok(second.at - first.at >= 15_000 && second.at - first.at < 16_000);
});

test("pauses are random below their ceiling, so that tabs do not return together", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = Array(5).fill(answer(500));
  await world.settle(tab.fetch("/feed"));
  const taken = pauses(world);
  [250, 500, 1000, 2000, 4000].forEach((ceiling, index) => assert.ok(taken[index] < ceiling));
  assert.equal(new Set(taken.map((pause, index) => pause / 2 ** index)).size, 5);
});

test("Retry-After in seconds is waited for, and a random part is added", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { random: () => 0.5 });
  world.server.refreshScript = [answer(503, { "retry-after": "7" })];
  await world.settle(tab.fetch("/feed"));
  assert.deepEqual(pauses(world), [7125]);
});

test("Retry-After as a date is read by the server's clock, not by ours", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { random: () => 0 });
  const headers = { date: "Mon, 01 Jan 2001 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2001 00:00:09 GMT" };
  world.server.refreshScript = [answer(503, headers), answer(503, { "retry-after": headers["retry-after"] })];
  await world.settle(tab.fetch("/feed"));
  assert.deepEqual(pauses(world), [9000, 0]);
});

test("an absurd Retry-After does not hold the page for longer than half a minute", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { random: () => 0 });
  world.server.refreshScript = [answer(429, { "retry-after": "86400" }), answer(503, { "retry-after": "soon" })];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual(pauses(world), [30_000, 0]);
});

for (const status of [400, 403, 404]) {
  test(`status ${status} on the refresh is a mistake of the set-up: no retry, session kept, typed error`, async () => {
    const world = new World();
    const tab = await world.expiredTab();
    world.server.refreshScript = [answer(status)];
    const error = await world.settle(tab.fetch("/feed")).catch((reason) => reason);
    assert.ok(error instanceof SessionRefreshError);
    assert.deepEqual([error.status, error.attempts], [status, 1]);
    assert.equal(await tab.doesSessionExist(), true);
  });
}

test("offline, the refresh waits for the network", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.isOnline = false;
  const call = tab.fetch("/feed");
  await world.clock.pass(20_000);
  assert.equal(world.server.refreshes, 0);
  world.comeOnline();
  assert.equal((await world.settle(call)).status, 200);
});

test("a browser that wrongly calls itself offline is believed for half a minute", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.isOnline = false;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  const [refused] = world.server.sent("/feed");
  const [refresh] = world.server.sent("/session/refresh");
  assert.equal(refresh.at - refused.at, 30_010);
});

test("a failing ordinary call is the caller's business", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.routes["/feed"] = networkFailure;
  await assert.rejects(world.settle(tab.fetch("/feed")), TypeError);
  world.server.routes["/feed"] = () => json({}, 503);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 503);
  assert.equal(world.server.refreshes, 0);
});

/** The times between a failed refresh and the next one, without the way there and back. */
function pauses(world) {
  const times = world.server.sent("/session/refresh").map(({ at }) => at);
  return times.slice(1).map((at, index) => at - times[index] - 10);
}
