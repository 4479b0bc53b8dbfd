import assert from "node:assert/strict";
import { test } from "node:test";

import { json, World } from "./world.mjs";

const VISITOR = "reseal:anonymous";
const NOT_SIGNED_IN = () => json({ message: "unauthorised", reason: "not_signed_in" }, 403);

async function visitor(options) {
  const world = new World();
  world.server.userId = VISITOR;
  world.server.isHeaderMode = options?.tokenTransferMethod === "header";
  const tab = world.tab(options);
  await world.settle(tab.fetch("/login", { method: "POST" }));
  return { world, tab };
}

test("a page sees a visitor as nobody, and hears nothing of the session", async () => {
  const { world, tab } = await visitor();
  assert.equal(await world.settle(tab.doesSessionExist()), false);
  assert.deepEqual([tab.getUserId(), tab.getAccessTokenPayload()], [undefined, undefined]);
  assert.equal(await world.settle(tab.attemptRefreshingSession()), false);
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(tab.told, []);
});

for (const tokenTransferMethod of ["cookie", "header"]) {
  test(`a visitor's session is refreshed, and the call repeated (${tokenTransferMethod})`, async () => {
    const { world, tab } = await visitor({ tokenTransferMethod });
    world.server.expire();
    assert.equal((await world.settle(tab.fetch("/cart"))).status, 200);
    assert.equal(world.server.refreshes, 1);
    assert.deepEqual(tab.told, []);
  });
}

test("a route that demands a user refuses a visitor at once, without a refresh", async () => {
  const { world, tab } = await visitor();
  world.server.routes["/me"] = NOT_SIGNED_IN;
  assert.equal((await world.settle(tab.fetch("/me"))).status, 403);
  assert.equal(world.server.refreshes, 0);
});

test("a visitor who signs in is told as a new session, and in the other tab too", async () => {
  const { world, tab } = await visitor();
  const other = world.tab();
  world.server.userId = "ada";
  await world.settle(tab.fetch("/login", { method: "POST" }));
  assert.deepEqual(tab.told, [["SESSION_CREATED", { userId: "ada" }]]);
  assert.equal(await world.settle(other.doesSessionExist()), true);
  assert.deepEqual(other.told, [["SESSION_CREATED", { userId: "ada" }]]);
});

test("a visitor's call that was under way during the sign-in is repeated for the user", async () => {
  const { world, tab } = await visitor();
  let isFirst = true;
  world.server.routes["/cart"] = () => {
    if (!isFirst) return json({ of: world.server.userId });
    isFirst = false;
    return world.server.tryRefresh();
  };
  world.server.latencyMs = ({ path }) => (path === "/cart" ? 100 : 10);
  const call = tab.fetch("/cart", { method: "POST" });
  world.server.userId = "ada";
  const signIn = tab.fetch("/login", { method: "POST" });
  assert.deepEqual(await world.settle(call.then((response) => response.json())), { of: "ada" });
  assert.equal((await world.settle(signIn)).status, 200);
});

test("the end of a visitor's session is told to nobody", async () => {
  for (const end of ["refused", "signed out"]) {
    const { world, tab } = await visitor();
    if (end === "signed out") await world.settle(tab.signOut());
    else {
      world.server.expire();
      world.server.refreshScript = [() => world.server.refuse()];
      assert.equal((await world.settle(tab.fetch("/cart"))).status, 401);
    }
    assert.deepEqual(tab.told, []);
    assert.equal(await world.settle(tab.doesSessionExist()), false);
  }
});

test("a user whose place a visitor takes is told that the session is over", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login", { method: "POST" }));
  world.server.userId = VISITOR;
  await world.settle(tab.fetch("/login", { method: "POST" }));
  const [created, ...others] = tab.names();
  assert.equal(created, "SESSION_CREATED");
  assert.deepEqual(others, ["SESSION_ENDED_ELSEWHERE", "SESSION_EXPIRED"]);
  assert.equal(tab.told.at(-1)[1].userId, "ada");
  assert.equal(await world.settle(tab.doesSessionExist()), false);
});
