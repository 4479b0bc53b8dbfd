import assert from "node:assert/strict";
import { test } from "node:test";

import { frontToken, json, World } from "./world.mjs";

/** A world whose API redirects `/moved`; it follows like a browser does, with all headers but Authorization. */
async function redirectingTab(options = {}) {
  const world = new World();
  world.server.antiCsrf = options.antiCsrf;
  const tab = await world.expiredTab();
  world.server.accessIsValid = true;
  world.server.routes["/moved"] = (request) =>
    request.redirect === "manual" ? Object.defineProperty(json({}), "type", { value: "opaqueredirect" }) : json({ landed: true });
  return { world, tab };
}

const sent = (world) => world.server.log.map(({ redirect, headers }) => [redirect, headers.get("anti-csrf")]);

test("a safe call that is redirected is followed without the anti-CSRF token", async () => {
  for (const init of [undefined, { method: "GET" }, { method: "head" }]) {
    const { world, tab } = await redirectingTab({ antiCsrf: "secret" });
    assert.equal((await world.settle(tab.fetch("/moved", init))).status, 200);
    assert.deepEqual(sent(world), [["manual", "secret"], ["follow", null]]);
  }
});

test("a call that changes something is not sent twice: with the token in it, it fails where it is redirected", async () => {
  const { world, tab } = await redirectingTab({ antiCsrf: "secret" });
  await assert.rejects(world.settle(tab.fetch("/moved", { method: "POST" })), { name: "TypeError", message: /redirect/ });
  await assert.rejects(world.settle(tab.fetch(new Request("https://app.example/moved", { method: "PUT" }))), TypeError);
  assert.deepEqual(sent(world), [["manual", "secret"], ["manual", "secret"]]);
});

test("who says that redirects are to be followed gets what he asked for, and so who says otherwise", async () => {
  const { world, tab } = await redirectingTab({ antiCsrf: "secret" });
  await world.settle(tab.fetch("/moved", { method: "POST", redirect: "follow" }));
  await world.settle(tab.fetch("/moved", { redirect: "manual" }));
  await world.settle(tab.fetch(new Request("https://app.example/moved", { redirect: "error" })));
  assert.deepEqual(sent(world), [["follow", "secret"], ["manual", "secret"], ["error", "secret"]]);
});

test("without an anti-CSRF token there is nothing to guard, and redirects are followed by the browser", async () => {
  const { world, tab } = await redirectingTab();
  assert.deepEqual(await (await world.settle(tab.fetch("/moved", { method: "POST" }))).json(), { landed: true });
  assert.deepEqual(sent(world), [["follow", null]]);
});

test("with the token, too, a call that is not redirected is sent once", async () => {
  const { world, tab } = await redirectingTab({ antiCsrf: "secret" });
  assert.equal((await world.settle(tab.fetch("/feed", { method: "POST" }))).status, 200);
  assert.deepEqual(sent(world), [["manual", "secret"]]);
});

test("a refresh that a redirect has led to another origin is not believed", async () => {
  for (const status of [200, 401]) {
    const world = new World();
    const tab = await world.expiredTab();
    const foreign = () => json({}, status, { "front-token": frontToken("eve") });
    world.server.refreshScript = [() => Object.defineProperty(foreign(), "url", { value: "https://elsewhere.example/" })];
    await assert.rejects(world.settle(tab.fetch("/feed")), { code: "SESSION_REFRESH_FAILED" });
    assert.deepEqual([tab.getUserId(), world.server.refreshes], ["ada", 1]);
  }
});
