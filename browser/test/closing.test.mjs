/** A client that a page no longer needs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { intercept } from "../dist/reseal-intercept.js";
import { World } from "./world.mjs";

test("a closed client tells nothing and hears nothing, and the session stays", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  tab.close();
  tab.close();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  await world.settle(other.signOut());
  await world.clock.pass(1);
  assert.deepEqual(tab.names(), []);
  assert.deepEqual(other.names(), ["SESSION_CREATED", "SIGN_OUT"].slice(1));
});

test("closing a client ends its interception, also one that is begun afterwards", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const native = globalThis.fetch;
  try {
    globalThis.fetch = world.server.fetch;
    intercept(tab);
    assert.notEqual(globalThis.fetch, world.server.fetch);
    tab.close();
    assert.equal(globalThis.fetch, world.server.fetch);
    intercept(tab);
    assert.equal(globalThis.fetch, world.server.fetch);
  } finally {
    globalThis.fetch = native;
  }
});

test("what a page puts into the place of fetch later sees the session's calls, its refresh and the repetition", async () => {
  const world = new World();
  await world.expiredTab();
  const native = globalThis.fetch;
  const tab = world.tab({}, { fetch: undefined });
  const seen = [];
  try {
    globalThis.fetch = (input, init) => {
      seen.push(new URL(input).pathname);
      return world.server.fetch(input, init);
    };
    assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  } finally {
    globalThis.fetch = native;
  }
  assert.deepEqual(seen, ["/feed", "/session/refresh", "/feed"]);
});

test("a page may put the client's own fetch there, also inside a wrapper that takes its time", async () => {
  const world = new World();
  await world.expiredTab();
  const native = globalThis.fetch;
  try {
    globalThis.fetch = world.server.fetch;
    const tab = world.tab({}, { fetch: undefined });
    globalThis.fetch = async (...given) => {
      await undefined;
      return tab.fetch(...given);
    };
    assert.equal((await world.settle(fetch("/feed"))).status, 200);
    assert.equal((await world.settle(fetch("https://elsewhere.example/x"))).status, 200);
  } finally {
    globalThis.fetch = native;
  }
  assert.deepEqual(world.server.log.map(({ path }) => path), ["/feed", "/session/refresh", "/feed", "/x"]);
});
