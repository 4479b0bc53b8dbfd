/** The attempt key: by it the server recognises who asks again for an answer that was lost. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { networkFailure, World } from "./world.mjs";

const HEADER = { tokenTransferMethod: "header" };
const keys = (world) => world.server.sent("/session/refresh").map(({ headers }) => headers.get("idempotency-key"));

for (const [way, options] of Object.entries({ cookies: {}, headers: HEADER })) {
  const opened = async () => {
    const world = new World();
    world.server.isHeaderMode = options === HEADER;
    return { world, tab: await world.expiredTab(options) };
  };

  test(`with ${way} every repetition of a refresh carries the key of the first, and the next refresh a new one`, async () => {
    const { world, tab } = await opened();
    world.server.refreshScript = [networkFailure, networkFailure];
    await world.settle(tab.fetch("/feed"));
    world.server.expire();
    await world.settle(tab.fetch("/feed"));
    assert.deepEqual(keys(world), ["key-1", "key-1", "key-1", "key-2"]);
  });

  test(`with ${way} another tab, and a browser that was started again, go on with the same key`, async () => {
    const { world, tab } = await opened();
    world.server.refreshScript = Array(6).fill(networkFailure);
    await assert.rejects(world.settle(tab.attemptRefreshingSession()));
    await world.settle(world.tab(options).fetch("/feed"));
    assert.deepEqual(new Set(keys(world)), new Set(["key-1"]));
  });

  test(`with ${way} a tab without locks uses the key of the tab that asked first`, async () => {
    const { world, tab } = await opened();
    const other = world.tab(options, { locks: undefined });
    await world.settle(Promise.all([tab.attemptRefreshingSession(), other.attemptRefreshingSession()]));
    assert.deepEqual(keys(world), ["key-1", "key-1"]);
  });
}

test("a browser that crashed and came back with the tokens of before asks with the key of before", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const jar = world.jar.read();
  await world.settle(tab.fetch("/feed"));
  for (const cookie of jar.split("; ")) world.jar.write(`${cookie};path=/`);
  await world.settle(world.tab().attemptRefreshingSession());
  assert.deepEqual(keys(world), ["key-1", "key-1"]);
});

test("a browser that lost its readable cookies twice does not use one key for two tokens", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  for (let round = 0; round < 2; round += 1) {
    world.jar.wipe();
    assert.equal(await world.settle(tab.doesSessionExist()), true);
  }
  assert.deepEqual(keys(world), ["key-1", "key-2"]);
});

test("a new access token of the same session leaves the key of the refresh that was begun", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = Array(6).fill(networkFailure);
  await assert.rejects(world.settle(tab.attemptRefreshingSession()));
  world.server.routes["/plan"] = () => world.server.accept();
  await world.settle(tab.fetch("/plan", { method: "POST" }));
  await world.settle(tab.attemptRefreshingSession());
  await world.settle(tab.attemptRefreshingSession());
  assert.deepEqual([...new Set(keys(world))], ["key-1", "key-2"]);
});

test("another origin gets the key only if it has said that it knows it", async () => {
  for (const knows of [false, true]) {
    const world = new World();
    world.server.knowsAttempts = knows;
    const apiDomain = "https://api.example";
    const tab = world.tab({ apiDomain });
    await world.settle(tab.fetch(`${apiDomain}/login`));
    await world.settle(tab.attemptRefreshingSession());
    assert.deepEqual(keys(world), [knows ? "key-1" : null]);
  }
});

test("the key is gone with the session", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  await world.settle(tab.fetch("/feed"));
  assert.ok(world.storage.getItem("st-attempt"));
  await world.settle(tab.signOut());
  assert.equal(world.storage.getItem("st-attempt"), null);
});

test("a host that cannot make a key refreshes without", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { newKey: () => undefined });
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual(keys(world), [null]);
});

test("a page that cannot keep a key sends none, for another one would look like another client's", async () => {
  const world = new World();
  const forbidden = () => {
    throw new DOMException("no", "SecurityError");
  };
  const tab = await world.expiredTab({}, { storage: forbidden });
  world.server.refreshScript = [networkFailure];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual(keys(world), [null, null]);
});
