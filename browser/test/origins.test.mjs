import assert from "node:assert/strict";
import { test } from "node:test";

import { json, World } from "./world.mjs";

const API = "https://api.example";

test("a call to another origin goes out exactly as it came in, and its refusal comes back as it is", async () => {
  const world = new World();
  world.server.antiCsrf = "secret";
  const tab = await world.expiredTab();
  const init = { headers: { "x-own": "1" } };
  const response = await world.settle(tab.fetch("https://elsewhere.example/feed", init));
  assert.equal(response.status, 401);
  const [seen] = world.server.log;
  assert.deepEqual(seen.raw, ["https://elsewhere.example/feed", init]);
  assert.equal(seen.raw[1], init);
  assert.deepEqual([...seen.headers], [["x-own", "1"]]);
  assert.equal(world.server.log.length, 1);
});

for (const address of ["http://app.example/x", "https://app.example:8443/x", "https://app.example.evil/x", "//evil/x"]) {
  test(`${address} is another origin than https://app.example`, async () => {
    const world = new World();
    world.server.antiCsrf = "secret";
    const tab = await world.expiredTab();
    await world.settle(tab.fetch(address));
    assert.equal(world.server.log[0].headers.get("anti-csrf"), null);
    assert.equal(world.server.refreshes, 0);
  });
}

test("what another origin says about the session is ignored", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.routes["/evil"] = () => json({}, 200, { "front-token": "remove", "anti-csrf": "planted" });
  await world.settle(tab.fetch("https://elsewhere.example/evil"));
  assert.equal(await tab.doesSessionExist(), true);
  assert.equal(world.jar.get("sAntiCsrf"), undefined);
});

test("what another origin says after a redirect is ignored too", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.routes["/moved"] = () => {
    const response = json({}, 401, { "front-token": "remove" });
    return Object.defineProperty(response, "url", { value: "https://elsewhere.example/landed" });
  };
  assert.equal((await world.settle(tab.fetch("/moved"))).status, 401);
  assert.equal(world.server.refreshes, 0);
  assert.equal(await tab.doesSessionExist(), true);
});

test("an API on its own origin gets the session, and the page's own origin does not", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const tab = world.tab({ apiDomain: API });
  await world.settle(tab.fetch(`${API}/login`));
  world.server.expire();
  await world.settle(tab.fetch("/local"));
  assert.equal(world.server.sent("/local")[0].headers.get("anti-csrf"), null);
  assert.equal((await world.settle(tab.fetch(`${API}/feed`))).status, 200);
  const [refresh] = world.server.sent("/session/refresh");
  assert.equal(refresh.raw[0], `${API}/session/refresh`);
  assert.equal(world.server.sent("/feed")[0].credentials, "include");
});

test("a call which asks for no credentials gets none", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const tab = await world.expiredTab();
  await world.settle(tab.fetch("/public", { credentials: "omit" }));
  await world.settle(tab.fetch(new Request("https://app.example/public", { credentials: "omit" })));
  for (const seen of world.server.log) {
    assert.deepEqual([seen.credentials, seen.headers.get("anti-csrf")], ["omit", null]);
  }
  assert.equal(world.server.refreshes, 0);
});

test("ordinary calls are marked, and a rid of the caller's own is respected", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/a"));
  await world.settle(tab.fetch("/b", { headers: [["RID", "own"]] }));
  await world.settle(tab.fetch(new Request("https://app.example/c", { headers: { rid: "own" } })));
  const marks = world.server.log.map(({ headers }) => [headers.get("rid"), headers.get("st-auth-mode")]);
  assert.deepEqual(marks, [["anti-csrf", "cookie"], ["own", "cookie"], ["own", "cookie"]]);
});

test("relative addresses are resolved like fetch resolves them", async () => {
  const world = new World();
  const tab = world.tab({}, { baseUrl: () => "https://cdn.example/base/" });
  await world.settle(tab.fetch("feed"));
  assert.equal(world.server.log[0].headers.get("rid"), null);
});

test("an address that is none is left to fetch to refuse", async () => {
  const world = new World();
  await assert.rejects(world.settle(world.tab().fetch("https://")), TypeError);
});

test("options which cannot work or would leave the API origin are refused at once", () => {
  const wrong = [
    { apiDomain: "api.example" },
    { apiDomain: "https://api.example/v1" },
    { apiDomain: "https://api.example/?v=1" },
    { apiDomain: "https://ada@api.example" },
    { apiDomain: "ftp://api.example" },
    { refreshPath: "//evil.example/refresh" },
    { refreshPath: "session/refresh" },
    { signOutPath: "https://evil.example/signout" },
    { signOutPath: "/\\evil.example" },
    { sessionExpiredStatus: 200 },
    { sessionExpiredStatus: 503 },
    { maxRefreshesPerCall: 0 },
    { maxRefreshesPerCall: Infinity },
  ];
  for (const options of wrong) {
    assert.throws(() => new World().tab(options), TypeError, JSON.stringify(options));
  }
});

test("paths of the application's own are used", async () => {
  const world = new World();
  world.server.routes["/api/refresh"] = () => world.server.accept();
  world.server.routes["/api/leave"] = () => json({ status: "OK" });
  const tab = await world.expiredTab({ refreshPath: "/api/refresh", signOutPath: "/api/leave" });
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  await world.settle(tab.signOut());
  assert.deepEqual(world.server.log.map(({ path }) => path), ["/feed", "/api/refresh", "/feed", "/api/leave"]);
});

test("a call without CORS goes to another origin as the browser sends it, without stopping at redirects", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const sent = [];
  const fetch = async (_url, init) => (sent.push([init.mode, init.redirect]), world.server.accept());
  const tab = world.tab({ apiDomain: "https://api.example" }, { fetch });
  await world.settle(tab.fetch("https://api.example/login"));
  for (const mode of ["no-cors", "cors"]) await world.settle(tab.fetch("https://api.example/pixel", { mode }));
  assert.deepEqual(sent.slice(1), [["no-cors", undefined], ["cors", "manual"]]);
});
