import assert from "node:assert/strict";
import { test } from "node:test";

import { frontToken, json, LIFETIME_MS, World } from "./world.mjs";

const AHEAD = { refreshAheadMs: 10_000 };

/** A tab just signed in, at a server whose answers bear its Date. */
async function freshTab(world, options = AHEAD, environment = {}) {
  const tell = (response) => (response.headers.set("date", new Date(world.clock.now).toUTCString()), response);
  const { accept } = world.server;
  world.server.accept = (...given) => tell(accept(...given));
  world.server.routes["/feed"] = () => tell(world.server.accessIsValid ? json({}) : world.server.tryRefresh());
  world.server.routes["/login"] = () => world.server.accept();
  const tab = world.tab(options, environment);
  await world.settle(tab.fetch("/login"));
  return tab;
}

test("an answer shortly before the access token's end brings a refresh that no call waits for", async () => {
  const world = new World();
  const tab = await freshTab(world);
  await world.clock.pass(LIFETIME_MS - 15_000);
  await world.settle(tab.fetch("/feed"));
  assert.equal(world.server.refreshes, 0);
  await world.clock.pass(6_000);
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.clock.now - start, 10, "the call took as long as a call takes");
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(tab.names(), ["SESSION_CREATED", "REFRESH_SESSION"]);
});

test("without being asked for it the client never refreshes ahead", async () => {
  const world = new World();
  const tab = await freshTab(world, {});
  await world.clock.pass(LIFETIME_MS - 1_000);
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 0);
});

for (const hours of [-24, 24]) {
  test(`a device clock wrong by ${hours} hours refreshes neither earlier nor more often`, async () => {
    const world = new World();
    world.clockErrorMs = hours * 3_600_000;
    const tab = await freshTab(world);
    for (let round = 1; round <= 3; round += 1) {
      await world.clock.pass(LIFETIME_MS - 20_000);
      await world.settle(tab.fetch("/feed"));
      await world.clock.pass(1_000);
      assert.equal(world.server.refreshes, round - 1);
      await world.clock.pass(11_000);
      for (let call = 0; call < 5; call += 1) await world.settle(tab.fetch("/feed"));
      await world.clock.pass(1_000);
      assert.equal(world.server.refreshes, round);
    }
    assert.ok(!tab.names().includes("SESSION_EXPIRED"));
  });

  test(`where the Date is hidden, a device clock that jumps by ${hours} hours costs one refresh at most`, async () => {
    const world = new World();
    world.server.payload = { iat: Math.floor(world.clock.now / 1000) };
    const tab = world.tab(AHEAD);
    await world.settle(tab.fetch("/login"));
    world.clockErrorMs = hours * 3_600_000;
    for (let call = 0; call < 5; call += 1) await world.settle(tab.fetch("/feed"));
    await world.clock.pass(1_000);
    assert.ok(world.server.refreshes <= 1);
    assert.equal(await tab.doesSessionExist(), true);
  });
}

test("a device clock that was set back a day does not end the refreshing ahead", async () => {
  const world = new World();
  const tab = await freshTab(world);
  for (let round = 1; round <= 2; round += 1) {
    await world.clock.pass(LIFETIME_MS - 5_000);
    await world.settle(tab.fetch("/feed"));
    await world.clock.pass(1_000);
    assert.equal(world.server.refreshes, round);
    world.clockErrorMs = -86_400_000;
  }
});

test("where the Date is hidden, the time of issue and what has passed since serve instead", async () => {
  const world = new World();
  world.clockErrorMs = 86_400_000;
  world.server.payload = { iat: Math.floor(world.clock.now / 1000) };
  const tab = world.tab(AHEAD);
  await world.settle(tab.fetch("/login"));
  await world.clock.pass(LIFETIME_MS - 15_000);
  await world.settle(tab.fetch("/feed"));
  assert.equal(world.server.refreshes, 0);
  await world.clock.pass(6_000);
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 1);
});

test("where nobody can tell the server's time there is no refresh ahead", async () => {
  const world = new World();
  const tab = world.tab(AHEAD);
  await world.settle(tab.fetch("/login"));
  await world.clock.pass(LIFETIME_MS - 1_000);
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 0);
});

test("tokens that live shorter than the time ahead are refreshed once in that time, not with every answer", async () => {
  const world = new World();
  const tab = await freshTab(world, { refreshAheadMs: 2 * LIFETIME_MS });
  for (let call = 0; call < 20; call += 1) {
    await world.settle(tab.fetch("/feed"));
    await world.clock.pass(1_000);
  }
  assert.equal(world.server.refreshes, 1);
});

test("a refresh ahead that fails is told, keeps the session and disturbs no call", async () => {
  const world = new World();
  const tab = await freshTab(world);
  world.server.refreshScript = Array(6).fill(() => json({}, 503));
  await world.clock.pass(LIFETIME_MS - 5_000);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  await world.clock.pass(60_000);
  assert.deepEqual(tab.names(), ["SESSION_CREATED", "REFRESH_FAILED"]);
  assert.equal(await tab.doesSessionExist(), true);
});

test("two tabs that see the end coming share one refresh", async () => {
  const world = new World();
  const tabs = [await freshTab(world), world.tab(AHEAD)];
  await world.clock.pass(LIFETIME_MS - 5_000);
  await world.settle(Promise.all(tabs.map((tab) => tab.fetch("/feed"))));
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 1);
});

test("the answer that ends the session starts no refresh", async () => {
  const world = new World();
  const tab = await freshTab(world);
  await world.clock.pass(LIFETIME_MS - 5_000);
  await world.settle(tab.signOut());
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 0);
  assert.equal(await tab.doesSessionExist(), false);
});

test("a front token without an end is no reason to refresh", async () => {
  const world = new World();
  const tab = await freshTab(world);
  world.jar.write(`sFrontToken=${frontToken("ada", {}, "soon")}`);
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 0);
});

test("a time ahead that is no time is refused", () => {
  for (const refreshAheadMs of [-1, 1.5, NaN, Infinity, 86_400_001]) {
    assert.throws(() => new World().tab({ refreshAheadMs }), TypeError);
  }
});
