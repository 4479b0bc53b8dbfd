import assert from "node:assert/strict";
import { test } from "node:test";

import { frontToken, json, World } from "./world.mjs";

test("a sign-in is told, and user and payload can be read", async () => {
  const world = new World();
  world.server.payload = { role: "editor", name: "Żółć 💡" };
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  assert.deepEqual(tab.told, [["SESSION_CREATED", { userId: "ada" }]]);
  assert.equal(tab.getUserId(), "ada");
  assert.deepEqual(tab.getAccessTokenPayload(), { role: "editor", name: "Żółć 💡" });
});

test("a new access token of the same session is stored and is no new session", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  world.server.routes["/feed"] = () => json({}, 200, { "front-token": frontToken("ada", { role: "new" }) });
  await world.settle(tab.fetch("/feed"));
  const update = { userId: "ada", payload: { role: "new" } };
  assert.deepEqual(tab.told, [["SESSION_CREATED", { userId: "ada" }], ["PAYLOAD_UPDATED", update]]);
  assert.deepEqual(tab.getAccessTokenPayload(), { role: "new" });
});

test("another session of the same user is told as a new session", async () => {
  const world = new World();
  const tab = world.tab();
  for (const sessionHandle of ["first", "second"]) {
    world.server.payload = { sessionHandle };
    await world.settle(tab.fetch("/login"));
  }
  assert.deepEqual(tab.names(), ["SESSION_CREATED", "SESSION_CREATED"]);
});

test("a payload that changes with the refresh is told, and one in which only the token's times are new is not", async () => {
  const world = new World();
  world.server.payload = { iat: 1, exp: 2 };
  const tab = await world.expiredTab();
  world.server.payload = { iat: 3, exp: 4 };
  await world.settle(tab.fetch("/feed"));
  assert.equal(tab.getAccessTokenPayload().iat, 3);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION"]);
  world.server.payload = { role: "admin" };
  world.server.expire();
  await world.settle(tab.fetch("/feed"));
  assert.deepEqual(tab.names(), ["REFRESH_SESSION", "PAYLOAD_UPDATED", "REFRESH_SESSION"]);
});

test("the sign-in of another user is told as a new session", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  world.server.userId = "bob";
  await world.settle(tab.fetch("/login"));
  assert.deepEqual(tab.told.map(([, { userId }]) => userId), ["ada", "bob"]);
});

test("readable cookies are for the whole site, long-lived, lax, and secure on https", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  await world.settle(world.tab().fetch("/login"));
  const names = world.jar.written.map((line) => line.split("=", 1)[0]);
  assert.deepEqual(names, ["sFrontToken", "sAntiCsrf", "st-last-access-token-update"]);
  for (const line of world.jar.written) {
    assert.match(line, /;max-age=34560000;path=\/;samesite=lax;secure$/);
  }
});

test("on plain http the cookies are not secure, or they could not be written", async () => {
  const world = new World();
  const page = () => "http://localhost:8000/";
  await world.settle(world.tab({}, { pageUrl: page, baseUrl: page }).fetch("http://localhost:8000/login"));
  assert.ok(world.jar.written.length > 0 && world.jar.written.every((line) => !line.includes("secure")));
});

test("plus, slash and equals signs are stored as received and sent back unchanged", async () => {
  const world = new World();
  world.server.antiCsrf = "a+b/c==";
  world.server.payload = { text: "???>>>ÿÿ" };
  const tab = world.tab();
  const response = await world.settle(tab.fetch("/login"));
  assert.match(response.headers.get("front-token"), /[+/]/);
  assert.equal(world.jar.get("sFrontToken"), response.headers.get("front-token"));
  assert.equal(world.jar.get("sAntiCsrf"), "a+b/c==");
  await world.settle(tab.fetch("/feed"));
  assert.equal(world.server.sent("/feed")[0].headers.get("anti-csrf"), "a+b/c==");
  assert.equal(tab.getAccessTokenPayload().text, "???>>>ÿÿ");
});

test("a token with characters that would break a cookie survives and sets no attribute", async () => {
  const world = new World();
  world.server.antiCsrf = 'x; domain=evil, "%41"';
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  assert.doesNotMatch(world.jar.written.join(), /domain=evil/);
  await world.settle(tab.fetch("/feed"));
  assert.equal(world.server.sent("/feed")[0].headers.get("anti-csrf"), 'x; domain=evil, "%41"');
});

test("cookies of somebody else whose names only resemble ours are not read", async () => {
  const world = new World();
  world.jar.write("xsAntiCsrf=wrong");
  world.jar.write("sAntiCsrf2=wrong");
  await world.settle(world.tab().fetch("/feed"));
  assert.equal(world.server.log[0].headers.get("anti-csrf"), null);
});

test("a front token that cannot be read is a session about which nothing is known", async () => {
  for (const token of ["%E0%A4%A", "not base64!", Buffer.from("null").toString("base64"), Buffer.from('{"uid":7,"up":[]}').toString("base64")]) {
    const world = new World();
    world.jar.write(`sFrontToken=${token}`);
    world.jar.write("st-last-access-token-update=1");
    const tab = world.tab();
    assert.equal(await tab.doesSessionExist(), true);
    assert.equal(tab.getUserId(), undefined);
    assert.equal(tab.getAccessTokenPayload(), undefined);
  }
});

test("a front token too long for a cookie does not sign the user out", async () => {
  const world = new World();
  world.server.payload = { text: "x".repeat(5_000) };
  const tab = await world.expiredTab();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  world.server.refreshScript = [() => world.server.refuse()];
  world.server.expire();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION", "SESSION_EXPIRED"]);
});

test("a front token too long for a cookie does not leave the previous user's behind", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  world.server.userId = "bob";
  world.server.payload = { text: "x".repeat(5_000) };
  await world.settle(tab.fetch("/login"));
  assert.equal(tab.getUserId(), undefined);
});

test("a browser that stores no cookie for scripts still refreshes, bounded", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { readCookies: () => "", writeCookie: () => {} });
  const responses = await world.settle(Promise.all(Array.from({ length: 5 }, () => tab.fetch("/feed"))));
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(world.server.refreshes, 1);
});

test("two changes within one millisecond are told apart", async () => {
  const world = new World();
  world.server.latencyMs = () => 0;
  const tab = world.tab({}, { now: () => 5 });
  await world.settle(tab.fetch("/login"));
  const first = world.jar.get("st-last-access-token-update");
  await world.settle(tab.fetch("/login"));
  assert.notEqual(world.jar.get("st-last-access-token-update"), first);
});

test("a listener is called until it unsubscribes, and the others stay", async () => {
  const world = new World();
  const tab = world.tab();
  const calls = [];
  const listener = () => calls.push("twice registered");
  const stop = tab.on("SESSION_CREATED", listener);
  tab.on("SESSION_CREATED", listener);
  stop();
  stop();
  await world.settle(tab.fetch("/login"));
  assert.deepEqual(calls, ["twice registered"]);
});

test("a listener that throws is reported and disturbs nobody", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const calls = [];
  tab.on("REFRESH_SESSION", () => {
    throw new RangeError("from the page");
  });
  tab.on("REFRESH_SESSION", ({ userId }) => calls.push(userId));
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.deepEqual(calls, ["ada"]);
  assert.equal(world.reported[0].message, "from the page");
});

test("the client's methods work detached from it", async () => {
  const world = new World();
  const { fetch, getUserId } = world.tab();
  await world.settle(fetch("/login"));
  assert.equal(getUserId(), "ada");
});

test("without readable cookies, too, a call refused after the refresh is only repeated", async () => {
  const world = new World();
  const tab = await world.expiredTab({}, { readCookies: () => "", writeCookie: () => {} });
  world.server.latencyMs = ({ path }) => (path === "/late" ? 200 : 10);
  let calls = 0;
  world.server.routes["/late"] = () => ((calls += 1) === 1 ? world.server.tryRefresh() : json({}));
  await world.settle(Promise.all([tab.fetch("/feed"), tab.fetch("/late")]));
  assert.equal(world.server.refreshes, 1);
});

test("the readable cookies go where the page says, and abroad only securely", async () => {
  for (const [options, expected] of [
    [{ cookieSameSite: "strict" }, "samesite=strict"],
    [{ cookieSameSite: "none" }, "samesite=none;secure"],
    [{ cookieSameSite: "none", cookiePartitioned: true }, "samesite=none;secure;partitioned"],
  ]) {
    const world = new World();
    const tab = world.tab(options, { pageUrl: () => "http://localhost:8000/" });
    await world.settle(tab.fetch("http://localhost:8000/login"));
    assert.ok(world.jar.written.length > 0 && world.jar.written.every((line) => line.endsWith(`;path=/;${expected}`)));
  }
  assert.throws(() => new World().tab({ cookieSameSite: "sometimes" }), TypeError);
  assert.throws(() => new World().tab({ cookieSuffix: "=;" }), TypeError);
  assert.throws(() => new World().tab({ cookiePartitioned: true }), /cookieSameSite/);
});

test("where the browser forbids cookies, the tab's memory knows what the server has told", async () => {
  const world = new World();
  const forbidden = () => {
    throw new DOMException("sandboxed", "SecurityError");
  };
  const tab = world.tab({}, { readCookies: forbidden, writeCookie: forbidden });
  assert.equal(tab.getUserId(), undefined);
  await world.settle(tab.fetch("/login"));
  assert.equal(tab.getUserId(), "ada");
  await world.settle(tab.signOut());
  assert.equal(await tab.doesSessionExist(), false);
});

test("two applications of one host name know their own users by the names of their cookies", async () => {
  const world = new World();
  const [shop, admin] = [world.tab({ cookieSuffix: "-shop" }), world.tab({ cookieSuffix: "-admin" })];
  await world.settle(shop.fetch("/login", { method: "POST" }));
  world.server.userId = "bob";
  await world.settle(admin.fetch("/login", { method: "POST" }));
  assert.deepEqual([shop.getUserId(), admin.getUserId()], ["ada", "bob"]);
  await world.settle(admin.signOut());
  assert.deepEqual([await shop.doesSessionExist(), await admin.doesSessionExist()], [true, false]);
  assert.match(world.jar.read(), /sFrontToken-shop=/);
});
