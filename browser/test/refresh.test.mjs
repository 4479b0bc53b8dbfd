import assert from "node:assert/strict";
import { test } from "node:test";

import { SessionLoopError } from "../dist/reseal-browser.js";
import { json, World } from "./world.mjs";

test("an expired session is refreshed and the call repeated, unnoticed by the caller", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const response = await world.settle(tab.fetch("/feed"));
  assert.deepEqual(await response.json(), { path: "/feed" });
  assert.deepEqual(world.server.log.map(({ path }) => path), ["/feed", "/session/refresh", "/feed"]);
  assert.deepEqual(tab.told, [["REFRESH_SESSION", { userId: "ada" }]]);
});

test("a valid session is never refreshed", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login"));
  await world.settle(tab.fetch("/feed"));
  assert.equal(world.server.refreshes, 0);
});

test("thirty calls that fail together share one refresh and all succeed", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const calls = Array.from({ length: 30 }, (_, index) => tab.fetch(`/feed/${index}`));
  const responses = await world.settle(Promise.all(calls));
  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(tab.names(), ["REFRESH_SESSION"]);
});

test("calls refused before, during and after the refresh share it", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.latencyMs = ({ path }) => ({ "/soon": 5, "/session/refresh": 40, "/late": 30, "/last": 200 })[path];
  for (const path of ["/late", "/last"]) {
    let calls = 0; // Both were judged with the old token, however late the refusal arrives.
    world.server.routes[path] = () => ((calls += 1) === 1 ? world.server.tryRefresh() : json({}));
  }
  const responses = await world.settle(Promise.all(["/soon", "/late", "/last"].map((path) => tab.fetch(path))));
  assert.deepEqual(responses.map(({ status }) => status), [200, 200, 200]);
  assert.equal(world.server.refreshes, 1);
});

test("an API that refuses for ever costs a bounded number of refreshes and ends in a typed error", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.routes["/feed"] = () => world.server.tryRefresh();
  await assert.rejects(world.settle(tab.fetch("/feed")), (error) => {
    assert.ok(error instanceof SessionLoopError);
    assert.equal(error.code, "SESSION_LOOP");
    assert.equal(error.response.status, 401);
    return true;
  });
  assert.equal(world.server.refreshes, 3);
  assert.equal(world.server.sent("/feed").length, 4);
  assert.equal(await tab.doesSessionExist(), true);
});

test("thirty calls refused for ever share each of the bounded refreshes", async () => {
  const world = new World();
  const tab = await world.expiredTab({ maxRefreshesPerCall: 2 });
  world.server.routes["/feed"] = () => world.server.tryRefresh();
  const outcomes = await world.settle(Promise.allSettled(Array.from({ length: 30 }, () => tab.fetch("/feed"))));
  assert.ok(outcomes.every(({ reason }) => reason instanceof SessionLoopError));
  assert.equal(world.server.refreshes, 2);
});

test("a refused call can be read in full from the loop error", async () => {
  const world = new World();
  const tab = await world.expiredTab({ maxRefreshesPerCall: 1 });
  world.server.routes["/feed"] = () => json({ message: "try refresh token", reason: "expired" }, 401);
  const error = await world.settle(tab.fetch("/feed")).catch((reason) => reason);
  assert.deepEqual(await error.response.json(), { message: "try refresh token", reason: "expired" });
});

for (const [name, body] of Object.entries({
  JSON: () => json({ detail: "wrong password" }, 401),
  text: () => new Response("wrong password", { status: 401 }),
  "no body": () => new Response(null, { status: 401 }),
})) {
  test(`a 401 of the application (${name}) costs one refresh and one repetition, and reaches the page as it is`, async () => {
    const world = new World();
    const tab = world.tab();
    await world.settle(tab.fetch("/login", { method: "POST" }));
    world.server.routes["/password"] = body;
    const response = await world.settle(tab.fetch("/password", { method: "POST", body: "old" }));
    assert.equal(response.status, 401);
    assert.equal(await response.text(), await body().text());
    assert.deepEqual([world.server.sent("/password").length, world.server.refreshes], [2, 1]);
    assert.deepEqual([await tab.doesSessionExist(), tab.names()], [true, ["SESSION_CREATED", "REFRESH_SESSION"]]);
  });
}

test("two 401 of the application at once share their refresh, and each is repeated once", async () => {
  const world = new World();
  const tab = world.tab();
  await world.settle(tab.fetch("/login", { method: "POST" }));
  world.server.latencyMs = ({ path }) => (path === "/late" ? 300 : 10);
  world.server.routes["/soon"] = world.server.routes["/late"] = () => json({ detail: "no" }, 401);
  const responses = await world.settle(Promise.all(["/soon", "/late"].map((path) => tab.fetch(path))));
  assert.deepEqual(responses.map(({ status }) => status), [401, 401]);
  const sent = ["/soon", "/late"].map((path) => world.server.sent(path).length);
  assert.deepEqual([...sent, world.server.refreshes], [2, 2, 1]);
});

test("a 401 of the application does not stand in the way of a session that expires before the repetition", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const answers = [() => json({}, 401), () => world.server.tryRefresh(), () => json({ fine: true })];
  world.server.routes["/feed"] = () => answers.shift()();
  assert.deepEqual(await (await world.settle(tab.fetch("/feed"))).json(), { fine: true });
  assert.equal(world.server.refreshes, 2);
});

test("a session-expired status other than 401 is obeyed, and then 401 is an ordinary answer", async () => {
  const world = new World();
  world.server.expiredStatus = 440;
  const tab = await world.expiredTab({ sessionExpiredStatus: 440 });
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  world.server.routes["/feed"] = () => json({}, 401);
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 401);
  assert.equal(world.server.refreshes, 1);
});

test("a refused refresh with status 440 ends the session too", async () => {
  const world = new World();
  world.server.expiredStatus = 440;
  const tab = await world.expiredTab({ sessionExpiredStatus: 440 });
  world.server.refreshScript = [() => world.server.refuse()];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 440);
  assert.deepEqual(tab.names(), ["SESSION_EXPIRED"]);
});

for (const hours of [-24, 24]) {
  test(`a client clock wrong by ${hours} hours changes nothing`, async () => {
    const world = new World();
    world.clockErrorMs = hours * 3_600_000;
    const tab = await world.expiredTab();
    for (let round = 1; round <= 3; round += 1) {
      assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
      assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
      assert.equal(await tab.doesSessionExist(), true);
      assert.equal(tab.getUserId(), "ada");
      assert.equal(world.server.refreshes, round);
      world.server.expire();
    }
  });
}

test("a client clock that jumps back a day between two refreshes changes nothing", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  await world.settle(tab.fetch("/feed"));
  world.clockErrorMs = -86_400_000;
  world.server.expire();
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.server.refreshes, 2);
});

test("a refresh asked for explicitly says whether the session lives", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  assert.equal(await world.settle(tab.attemptRefreshingSession()), true);
  world.server.refreshScript = [() => world.server.refuse()];
  assert.equal(await world.settle(tab.attemptRefreshingSession()), false);
  assert.equal(await world.settle(tab.attemptRefreshingSession()), false);
  assert.equal(world.server.refreshes, 2);
});

test("explicit refreshes and failing calls share one flight", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  const outcomes = [tab.attemptRefreshingSession(), tab.attemptRefreshingSession(), tab.fetch("/feed")];
  const [first, second, response] = await world.settle(Promise.all(outcomes));
  assert.deepEqual([first, second, response.status], [true, true, 200]);
  assert.equal(world.server.refreshes, 1);
});

test("the refresh request carries exactly what the server expects", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf-1";
  const tab = await world.expiredTab();
  await world.settle(tab.fetch("/feed", { headers: { "x-own": "1" } }));
  const [refresh] = world.server.sent("/session/refresh");
  assert.deepEqual(Object.fromEntries(refresh.headers), {
    "anti-csrf": "csrf-1",
    "fdi-version": "1.16,1.17,1.18,1.19,2.0,3.0,3.1,4.0,4.1,4.2",
    "idempotency-key": "key-1",
    rid: "session",
    "st-auth-mode": "cookie",
  });
  assert.deepEqual([refresh.method, refresh.credentials, refresh.redirect], ["POST", "include", "error"]);
});

test("the repeated call carries the anti-CSRF token of the refreshed session", async () => {
  const world = new World();
  world.server.antiCsrf = "old";
  const tab = await world.expiredTab();
  world.server.antiCsrf = "new";
  await world.settle(tab.fetch("/feed", { headers: { "anti-csrf": "kept by the page" } }));
  assert.deepEqual(world.server.sent("/feed").map(({ headers }) => headers.get("anti-csrf")), ["old", "new"]);
});

test("a successful refresh whose headers are hidden from scripts keeps the known session", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => ((world.server.accessIsValid = true), json({}))];
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(tab.getUserId(), "ada");
});

test("the unread body of a refused answer is let go before the call is repeated", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  let isCancelled = false;
  const refused = () => new Response(new ReadableStream({ cancel: () => void (isCancelled = true) }), { status: 401 });
  world.server.routes["/feed"] = () => (world.server.accessIsValid ? json({}) : refused());
  await world.settle(tab.fetch("/feed"));
  assert.ok(isCancelled);
});

test("a refresh leaves no timer and no listener behind", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.isOnline = false;
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(100); // So long the lock is kept.
  assert.deepEqual([world.clock.timers, world.onlineListeners], [0, 0]);
});

test("an anti-CSRF token that is not sent again is kept, and kept as long as the rest", async () => {
  const world = new World();
  world.server.antiCsrf = "csrf";
  const tab = await world.expiredTab();
  world.server.antiCsrf = undefined;
  world.jar.written.length = 0;
  await world.settle(tab.fetch("/feed"));
  assert.ok(world.jar.written.some((line) => line.startsWith("sAntiCsrf=csrf;")));
});
