import assert from "node:assert/strict";
import { test } from "node:test";

import { json, StorageArea, World } from "./world.mjs";

const ELSEWHERE = [
  ["SESSION_ENDED_ELSEWHERE", { userId: "ada" }],
  ["SESSION_EXPIRED", { userId: "ada", reason: "elsewhere", serverReason: undefined, serverNote: undefined }],
];

const HEADER = { tokenTransferMethod: "header" };

/** Two tabs of header mode with an expired session; what the first one stores reaches the other one 90 ms later. */
async function tabsFarApart() {
  const world = new World();
  world.server.isHeaderMode = true;
  await world.expiredTab(HEADER);
  const theirs = new StorageArea();
  for (const [name, text] of world.storage.texts) theirs.setItem(name, text);
  const mirror = (change) => (...given) => {
    world.storage[change](...given);
    world.clock.setTimer(() => theirs[change](...given), 90);
  };
  const ours = { getItem: world.storage.getItem, setItem: mirror("setItem"), removeItem: mirror("removeItem") };
  const [quick, late] = [ours, theirs].map((area) => world.tab(HEADER, { storage: () => area }));
  return { world, quick, late, theirs };
}

test("two tabs whose calls fail together need one refresh", async () => {
  const world = new World();
  const tabs = [await world.expiredTab(), world.tab()];
  const responses = await world.settle(Promise.all(tabs.map((tab) => tab.fetch("/feed"))));
  assert.deepEqual(responses.map(({ status }) => status), [200, 200]);
  assert.equal(world.server.refreshes, 1);
});

test("ten tabs whose calls fail together need one refresh", async () => {
  const world = new World();
  const tabs = [await world.expiredTab(), ...Array.from({ length: 9 }, () => world.tab())];
  await world.settle(Promise.all(tabs.flatMap((tab) => [tab.fetch("/a"), tab.fetch("/b")])));
  assert.equal(world.server.refreshes, 1);
});

for (const moment of [1, 2, 3, 4, 5, 6]) {
  test(`a session ended elsewhere between two readings of the cookies is not reported as a new one (${moment})`, async () => {
    const world = new World();
    let readings = 0;
    const readCookies = () => {
      const cookies = world.jar.read();
      if ((readings += 1) === moment) endElsewhere(world);
      return cookies;
    };
    const tab = world.tab({}, { readCookies });
    await world.settle(tab.fetch("/login", { method: "POST" }));
    [readings, tab.told.length] = [0, 0];
    for (let calls = 0; calls < 6; calls += 1) await world.settle(tab.fetch("/feed"));
    assert.deepEqual(tab.told, ELSEWHERE);
  });
}

/** What another tab writes when its session ends. */
function endElsewhere({ jar, clock }) {
  for (const name of ["sFrontToken", "sAntiCsrf"]) jar.write(`${name}=;max-age=0;path=/`);
  jar.write(`st-last-access-token-update=${clock.now};path=/`);
}

test("a call refused after another tab has refreshed is only repeated", async () => {
  const world = new World();
  const [slow, quick] = [await world.expiredTab(), world.tab()];
  world.server.latencyMs = ({ path }) => (path === "/slow" ? 300 : 10);
  let calls = 0;
  world.server.routes["/slow"] = () => ((calls += 1) === 1 ? world.server.tryRefresh() : json({}));
  const call = slow.fetch("/slow");
  await world.settle(quick.fetch("/feed"));
  assert.equal((await world.settle(call)).status, 200);
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(slow.names(), []);
});

test("a tab pausing after a failed refresh uses the one another tab got", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.refreshScript = [() => json({}, 503, { "retry-after": "20" })];
  const call = tab.fetch("/feed");
  await world.clock.pass(1_000);
  await world.settle(other.fetch("/feed"));
  assert.equal((await world.settle(call)).status, 200);
  assert.equal(world.server.refreshes, 2);
});

test("without locks two tabs may both refresh, and both succeed", async () => {
  const world = new World();
  const tabs = [await world.expiredTab({}, { locks: undefined }), world.tab({}, { locks: undefined })];
  const responses = await world.settle(Promise.all(tabs.map((tab) => tab.fetch("/feed"))));
  assert.deepEqual(responses.map(({ status }) => status), [200, 200]);
  assert.ok(world.server.refreshes <= 2);
});

test("a lock that never comes is waited for five seconds", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  void world.locks.request("", { signal: new AbortController().signal }, () => new Promise(() => {}));
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.clock.now - start, 5_030);
  assert.equal(world.server.refreshes, 1);
});

test("a lock granted too late is given back and causes no second refresh", async () => {
  const world = new World();
  let release;
  let isWithdrawn = () => undefined;
  const late = {
    async request(_name, { signal }, holder) {
      isWithdrawn = () => signal.aborted;
      await new Promise((resolve) => (release = resolve));
      return holder();
    },
  };
  const tab = await world.expiredTab({}, { locks: late });
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.ok(isWithdrawn());
  release();
  await world.clock.pass(1_000);
  assert.equal(world.server.refreshes, 1);
});

test("locks which this page may not use are done without", async () => {
  const world = new World();
  const forbidden = { request: () => Promise.reject(new DOMException("no", "SecurityError")) };
  const tab = await world.expiredTab({}, { locks: forbidden });
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.clock.now - start, 30);
});

test("the lock is free while a tab pauses between two refreshes", async () => {
  const world = new World();
  const tab = await world.expiredTab();
  world.server.refreshScript = [() => json({}, 503, { "retry-after": "20" })];
  const call = tab.fetch("/feed");
  await world.clock.pass(1_000);
  let isGranted = false;
  void world.locks.request("", { signal: new AbortController().signal }, async () => void (isGranted = true));
  await world.clock.pass(1);
  assert.ok(isGranted);
  await world.settle(call);
});

test("what a tab has stored may reach the next one a moment later than the lock, also one that comes just then", async () => {
  for (const isRefused of [false, true]) {
    for (const isTogether of [false, true]) {
      const { world, quick, late } = await tabsFarApart();
      if (isRefused) world.server.refreshScript = [() => world.server.refuse()];
      const first = quick.fetch("/a");
      if (!isTogether) await world.settle(first);
      const responses = await world.settle(Promise.all([first, late.fetch("/b")]));
      assert.deepEqual(responses.map(({ status }) => status), isRefused ? [401, 401] : [200, 200]);
      assert.equal(world.server.refreshes, 1);
    }
  }
});

test("a refusal of the old session does not end the new one, whose news arrives only after it", async () => {
  const { world, quick, late, theirs } = await tabsFarApart();
  world.server.refreshScript = [() => world.server.refuse()];
  const call = late.fetch("/feed");
  await world.settle(quick.fetch("/login"));
  assert.equal(theirs.getItem("st-refresh-token"), "refresh-1");
  world.server.routes["/feed"] = () => json({});
  assert.equal((await world.settle(call)).status, 200);
  assert.deepEqual([late.names(), theirs.getItem("st-refresh-token")], [[], "refresh-2"]);
});

test("in header mode the lock is kept for that moment, which no call of the tab waits for", async () => {
  const world = new World();
  world.server.isHeaderMode = true;
  const tab = await world.expiredTab({ tokenTransferMethod: "header" });
  const start = world.clock.now;
  assert.equal((await world.settle(tab.fetch("/feed"))).status, 200);
  assert.equal(world.clock.now - start, 30);
  const free = world.locks.request("", { signal: new AbortController().signal }, async () => undefined);
  await world.settle(free);
  assert.equal(world.clock.now - start, 120);
});

test("a tab learns from the readable cookies that another one signed out, and tells its page once", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  world.server.accessIsValid = true;
  await world.settle(other.signOut());
  const responses = await world.settle(Promise.all([tab.fetch("/a"), tab.fetch("/b")]));
  assert.deepEqual(responses.map(({ status }) => status), [401, 401]);
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.told, ELSEWHERE);
  assert.equal(world.server.refreshes, 0);
});

test("a tab that waits while another one's refresh is refused does not ask again", async () => {
  const world = new World();
  const tabs = [await world.expiredTab(), world.tab()];
  world.server.refreshScript = [() => world.server.refuse()];
  const responses = await world.settle(Promise.all(tabs.map((tab) => tab.fetch("/feed"))));
  assert.deepEqual(responses.map(({ status }) => status), [401, 401]);
  assert.equal(world.server.refreshes, 1);
  assert.deepEqual(tabs.map((tab) => tab.told.map(([, { reason }]) => reason)), [["refused"], [undefined, "elsewhere"]]);
});

test("a tab sees at once who signed in in another one, and is told without asking", async () => {
  const world = new World();
  const [tab, other] = [world.tab(), world.tab()];
  await world.settle(other.fetch("/login"));
  assert.equal(tab.getUserId(), "ada");
  await world.clock.pass(1);
  assert.deepEqual([tab.told, other.names()], [[["SESSION_CREATED", { userId: "ada" }]], ["SESSION_CREATED"]]);
});

test("a tab is told of a sign-out, of a refusal, of a new payload and of another user in another tab, without a call", async () => {
  const happenings = {
    SESSION_ENDED_ELSEWHERE: (other) => other.signOut(),
    SESSION_CREATED: (other, server) => ((server.userId = "bob"), other.fetch("/login")),
    PAYLOAD_UPDATED: (other, server) => ((server.payload = { role: "new" }), other.attemptRefreshingSession()),
    SESSION_EXPIRED: (other, server) => ((server.refreshScript = [() => server.refuse()]), other.attemptRefreshingSession()),
  };
  for (const [event, happen] of Object.entries(happenings)) {
    const world = new World();
    const [other, tab] = [await world.expiredTab(), world.tab()];
    world.server.accessIsValid = true;
    await world.settle(happen(other, world.server));
    const sent = world.server.log.length;
    await world.clock.pass(1);
    assert.ok(tab.names().includes(event), `${event}: ${tab.names()}`);
    assert.equal(world.server.log.length, sent);
  }
});

test("a hundred tabs that are told of an end do not tell one another", async () => {
  const world = new World();
  const tabs = [await world.expiredTab(), ...Array.from({ length: 99 }, () => world.tab())];
  world.server.accessIsValid = true;
  world.channels.posts = 0;
  await world.settle(tabs[0].signOut());
  await world.clock.pass(1);
  assert.ok(tabs.slice(1).every((tab) => tab.names().includes("SESSION_ENDED_ELSEWHERE")));
  assert.ok(world.channels.posts <= 2);
});

test("without channels a tab notices with its next look", async () => {
  const world = new World();
  const deaf = { openChannel: () => () => undefined };
  const [tab, other] = [await world.expiredTab({}, deaf), world.tab()];
  world.server.accessIsValid = true;
  await world.settle(other.signOut());
  await world.clock.pass(1);
  assert.deepEqual(tab.names(), []);
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.told, ELSEWHERE);
});

test("a refresh that changes nothing readable is told to no other tab's page", async () => {
  const world = new World();
  const [tab, other] = [await world.expiredTab(), world.tab()];
  await world.settle(tab.fetch("/feed"));
  await world.clock.pass(1);
  assert.deepEqual([tab.names(), other.names()], [["REFRESH_SESSION"], []]);
});

test("a tab opened with a session is told of its end even if it never made a call, and writes nothing itself", async () => {
  const world = new World();
  const other = await world.expiredTab();
  const tab = world.tab();
  world.server.accessIsValid = true;
  await world.settle(other.signOut());
  const written = world.jar.written.length;
  assert.equal(await tab.doesSessionExist(), false);
  assert.deepEqual(tab.told, ELSEWHERE);
  assert.equal(world.jar.written.length, written);
});
