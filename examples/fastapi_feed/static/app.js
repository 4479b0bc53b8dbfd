/** The page: a feed behind a session, and a view of what the session does. */

import { createSessionClient } from "/reseal-browser.js";
import { keepFocus } from "./focus.js";
import { createPanel } from "./happened.js";
import { drawLine } from "./line.js";
import { browserOf, came, capital, deviceOf, ENDINGS, entryOf, forecastOf, short } from "./words.js";

const FEED = "/getHomeFeed";
const CALL_EVERY_MS = 1500;
const LOOK_EVERY_MS = 1000;
const LOOK_ON_AFTER_END_MS = 8000;
const BURST = 30;
const WORTH_WAITING_S = 15;

const $ = (id) => document.getElementById(id);
const config = await (await fetch("/demo/settings")).json();
const panel = createPanel({ log: $("log"), headline: $("headline"), clear: $("clear") });

// -- the session: this is all that an application needs -----------------------------------------------------------

const client = createSessionClient({
  sessionExpiredStatus: config.session_expired_status,
  refreshPath: config.refresh_path,
  signOutPath: config.sign_out_path,
  environment: { fetch: watchedFetch }, // only to show each request; without it the client takes the browser's own
});

client.on("SESSION_CREATED", ({ userId }) => {
  note("notable", "SDK: SESSION_CREATED", `This browser is signed in as ${userId}.`, { quiet: true });
  began();
});
client.on("REFRESH_SESSION", () => {
  panel.light("step-refresh");
  state.isThiefAhead = false;
  void look();
});
client.on("SIGN_OUT", () => ended("signed_out"));
client.on("TOKEN_THEFT", ({ userId }) => {
  note("theft", "SDK: TOKEN_THEFT", `The refresh of ${userId ?? "this browser"} was answered with “token theft detected”.`);
  state.refusal = "theft";
});
client.on("SESSION_EXPIRED", ({ reason }) => ended(reason === "elsewhere" ? "elsewhere" : (state.refusal ?? "other")));
client.on("REFRESH_FAILED", () => {
  note("warn", "SDK: REFRESH_FAILED", "The server could not be asked. The session is kept; the next call tries again.");
});

// -- what the page remembers for its panel -------------------------------------------------------------------------

const state = {
  handle: undefined,
  user: undefined,
  after: 0, // the last server event that was shown
  clockSkew: 0, // server's clock minus this one, in ms
  refusal: undefined, // the reason in the server's last refusal
  holds: 0, // while positive, the automatic call waits
  isThiefAhead: false,
  isLooking: false,
  looked: undefined, // the server's last view
  theft: undefined, // the server event
  endedAt: undefined,
  counts: { answered: 0, repeated: 0, failed: 0, refreshes: 0 },
};
const refusedCalls = new Map(); // by method and path: calls answered 401 and not yet repeated

function note(kind, title, why, { quiet = false, from = "page" } = {}) {
  panel.add({ at: serverNow(), kind, from, title, why, quiet });
}

function serverNow() {
  return Date.now() + state.clockSkew;
}

/** The browser's fetch, which also reports each response to the panel. */
async function watchedFetch(input, init) {
  const response = await window.fetch(input, init);
  const call = `${init?.method ?? "GET"} ${new URL(input instanceof Request ? input.url : input, location.href).pathname}`;
  if (response.status === config.session_expired_status) await refusedCall(call, response.clone());
  else if (response.ok) answeredCall(call);
  return response;
}

async function refusedCall(call, response) {
  const { message, reason } = await response.json().catch(() => ({}));
  if (message !== "try refresh token") {
    state.refusal = message === "token theft detected" ? "theft" : reason;
    return;
  }
  refusedCalls.set(call, (refusedCalls.get(call) ?? 0) + 1);
  if (refusedCalls.get(call) === 1) {
    panel.light("step-call", true);
    panel.light("step-expired", true);
  }
  note("expired", `${call} → ${response.status} try refresh token`);
}

function answeredCall(call) {
  if (call === `POST ${config.refresh_path}`) {
    state.counts.refreshes += 1;
    return;
  }
  const waiting = refusedCalls.get(call) ?? 0;
  if (waiting === 0) return;
  refusedCalls.set(call, waiting - 1);
  state.counts.repeated += 1;
  if (waiting === 1) panel.light("step-repeat");
  note("repeated", `${call} again → 200`);
}

// -- beginning and end ------------------------------------------------------------------------------------------------

function began() {
  const payload = client.getAccessTokenPayload();
  state.handle = payload?.sessionHandle;
  state.user = client.getUserId();
  Object.assign(state, { refusal: undefined, isThiefAhead: false, looked: undefined, theft: undefined, endedAt: undefined });
  refusedCalls.clear();
  $("user-id").textContent = state.user;
  $("avatar").textContent = initial(state.user);
  $("handle").textContent = state.handle ? short(state.handle) : "";
  $("handle").title = "The session's handle: its name in logs and lists";
  $("generation").textContent = "–";
  $("confirmed").textContent = "";
  $("line").replaceChildren();
  $("forecast").textContent = "";
  $("use").disabled = true;
  $("ended").hidden = true;
  show("signed-in");
  void look();
  void callFeed();
  void listSessions();
}

function ended(reason) {
  if (document.body.dataset.state !== "signed-in") return;
  state.endedAt = Date.now();
  drawEnding(reason);
  const why = "The page shows the sign-in form and says why.";
  const title = `Signed out: ${$("ended-title").textContent.toLowerCase()}`;
  note(reason === "theft" ? "theft" : "warn", title, why, { quiet: reason === "theft" });
  show("signed-out");
  tellCase();
  scrollTo({ top: 0 });
  void look();
}

function drawEnding(reason) {
  const { title, text } = ENDINGS[reason] ?? ENDINGS.other;
  $("ended-title").textContent = title;
  $("ended-text").textContent = text;
  $("ended").className = reason === "theft" ? "ended theft" : "ended";
  $("ended").dataset.reason = reason;
  $("case").hidden = true;
  $("ended-line").setAttribute("hidden", "");
  $("ended").hidden = false;
}

/** Who presented what: the evidence, as far as the server's event has arrived. */
function tellCase() {
  const event = state.theft;
  if (!event || $("ended").hidden) return;
  // If another tab detected the theft, this one knows only that the session is over.
  if (["elsewhere", "other"].includes($("ended").dataset.reason)) drawEnding("theft");
  if ($("ended").dataset.reason !== "theft") return;
  const rows = [
    ["User", event.user],
    ["Session", event.session],
    ["Came back", `${capital(came(event.reason))}, after generation ${event.generation} had been issued`],
    ["Presented by", capital(deviceOf(event.device))],
    ["Newer token held by", capital(deviceOf(event.other_device))],
    ["Detected", new Date(event.at).toLocaleTimeString()],
  ];
  $("case").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  $("case").hidden = false;
  if (event.reused !== undefined) {
    $("ended-line").removeAttribute("hidden");
    drawLine($("ended-line"), { generation: event.generation, reused: event.reused });
  }
}

function show(name) {
  const isFirst = document.body.dataset.state === "loading";
  document.body.dataset.state = name;
  if (!isFirst) keepFocus();
}

// -- the feed ---------------------------------------------------------------------------------------------------------

async function callFeed() {
  await attempt($("feed-problem"), async () => {
    const response = await client.fetch(FEED);
    if (!response.ok) return response;
    state.counts.answered += 1;
    drawPosts((await response.json()).posts);
    return response;
  });
  drawCounts();
}

let drawnPosts = "";
function drawPosts(posts) {
  const seen = JSON.stringify(posts);
  if (seen === drawnPosts) return;
  drawnPosts = seen;
  $("posts").replaceChildren(
    ...posts.map(({ author, text, ago }) => {
      const by = element("div.by", element("b", author), element("span.soft.small", ago));
      const face = element("span.avatar", initial(author));
      face.setAttribute("aria-hidden", "true");
      const post = element("li", face, element("div", by, element("p", text)));
      post.dataset.testid = "post-item";
      return post;
    }),
  );
}

function drawCounts() {
  for (const name of ["answered", "repeated", "failed"]) $(name).textContent = state.counts[name];
}

async function listSessions() {
  const response = await client.fetch("/api/sessions").catch(() => undefined);
  if (!response?.ok) return;
  $("sessions").replaceChildren(
    ...(await response.json()).map(({ handle, this_browser: isThis, user_agent: agent, created_at: at, bound }) => {
      const place = isThis ? "This browser" : browserOf(agent);
      const since = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const row = element("li", element("span", `${place}, since ${since}${bound ? ", bound to its device" : ""}`), element("code.soft.small", short(handle)));
      row.dataset.testid = "session-item";
      row.title = handle;
      return row;
    }),
  );
}

/** Run a call; show an error in `place`, unless the session's end explains it already. Returns whether it succeeded. */
async function attempt(place, call) {
  try {
    const response = await call();
    if (response.ok) place.textContent = "";
    else if (response.status !== config.session_expired_status) {
      state.counts.failed += 1;
      place.textContent = await problemOf(response);
    }
    return response.ok;
  } catch (error) {
    state.counts.failed += 1;
    place.textContent = `That did not work: ${error.message}`;
    return false;
  }
}

async function problemOf(response) {
  const { detail, message } = await response.json().catch(() => ({}));
  const words = typeof detail === "string" ? detail : message;
  return words ?? `The server answered with status ${response.status}.`;
}

function postJson(path, content) {
  const body = JSON.stringify(content);
  return client.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body });
}

// -- the server's view ------------------------------------------------------------------------------------------------

/** Ask for the server's events. Polled, because a stream for each tab would use up the browser's connections. */
async function look() {
  const { handle } = state;
  if (!handle || state.isLooking) return;
  state.isLooking = true;
  try {
    const query = new URLSearchParams({ session: handle, after: state.after });
    const asked = Date.now();
    const seen = await (await fetch(`/demo/events?${query}`)).json();
    state.clockSkew = skew(seen.now, asked, Date.now());
    state.after = seen.last;
    if (handle !== state.handle) return;
    const previous = state.looked;
    state.looked = seen;
    for (const event of seen.events) tell(event, previous);
    drawSession(seen);
  } catch {
    // The server is unavailable; the feed shows that.
  } finally {
    state.isLooking = false;
  }
}

/** The least difference of the clocks that explains the server's time between asking and being answered. */
function skew(now, asked, answered) {
  if (now < asked) return now - asked;
  return now > answered ? now - answered : 0;
}

function tell(event, previous) {
  const isOwn = event.session === state.handle;
  panel.add(entryOf(event, { isOwn, race: config.race_window }));
  if (!isOwn) void listSessions();
  if (!isOwn || !["token_theft", "session_revoked"].includes(event.name)) return;
  if (event.name === "token_theft") {
    const reused = event.by_thief ? previous?.thief?.generation : event.generation - 1;
    state.theft = { ...event, reused };
    tellCase();
  }
  // A route that asks the database refuses at once; the others would do so when the access token ends.
  if (document.body.dataset.state === "signed-in") void client.fetch("/api/me").catch(() => undefined);
}

function drawSession({ generation, confirmed, thief, live }) {
  if (generation === null || generation === undefined) return;
  $("generation").textContent = generation;
  $("confirmed").textContent = confirmed ? ", seen in use" : "";
  const mine = state.isThiefAhead ? generation - 1 : generation;
  drawLine($("line"), { generation, mine, thief: thief?.generation });
  $("use").disabled = !thief || !live || state.isThiefAhead;
  $("forecast").textContent = thief
    ? forecastOf({ thief, generation, isAhead: state.isThiefAhead, race: config.race_window, validity: config.access_token_validity })
    : "";
  $("forecast").className = thief?.forecast === "caught" ? "forecast caught" : "forecast";
  $("forecast").dataset.forecast = thief ? (state.isThiefAhead ? "ahead" : thief.forecast) : "";
}

function drawLife() {
  const payload = client.getAccessTokenPayload();
  if (!payload) return;
  const left = Math.max(0, payload.exp * 1000 - serverNow()) / 1000;
  const share = Math.min(1, left / (payload.exp - payload.iat));
  $("life-bar").style.transform = `scaleX(${share})`;
  $("life-bar").classList.toggle("late", share < 0.25);
  $("life-left").textContent = left > 0 ? `${left < 60 ? left.toFixed(1) : Math.round(left)} s left` : "expired; the next call renews it";
}

function secondsLeft() {
  return Math.max(0, (client.getAccessTokenPayload()?.exp ?? 0) - serverNow() / 1000);
}

// -- buttons ----------------------------------------------------------------------------------------------------------

/** Do something while the automatic call waits and the button is locked. */
function onClick(id, action) {
  $(id).addEventListener("click", async () => {
    $(id).disabled = true;
    state.holds += 1;
    try {
      await action();
    } catch (error) {
      $("feed-problem").textContent = `That did not work: ${error.message}`;
    } finally {
      state.holds -= 1;
      $(id).disabled = false;
      await look();
      drawCounts();
    }
  });
}

onClick("sign-out", () => client.signOut());
onClick("sign-out-everywhere", () => client.fetch("/signout-everywhere", { method: "POST" }));
onClick("refresh", () => client.attemptRefreshingSession());

onClick("check", async () => {
  const response = await client.fetch("/api/me");
  if (!response.ok) return;
  note("notable", "GET /api/me → 200, checked against the database", "The session is live, and the newest refresh token now counts as seen in use.");
});

onClick("burst", async () => {
  if (secondsLeft() < WORTH_WAITING_S) {
    const label = $("burst").textContent;
    $("burst").textContent = "Waiting for expiry…";
    await pause(secondsLeft() * 1000 + 50);
    $("burst").textContent = label;
  }
  const before = { ...state.counts };
  const calls = Array.from({ length: BURST }, () => client.fetch(FEED).then((response) => response.ok));
  const fine = (await Promise.allSettled(calls)).filter(({ value }) => value === true).length;
  state.counts.answered += fine;
  state.counts.failed += BURST - fine;
  const refreshes = state.counts.refreshes - before.refreshes;
  const repeated = state.counts.repeated - before.repeated;
  note(
    "notable",
    `${BURST} calls at once: ${fine} answered, ${count(refreshes, "refresh", "refreshes")}`,
    `${repeated} of them found the access token expired and were repeated. However many wait, one refresh serves them all.`,
  );
});

onClick("lose", async () => {
  const response = await client.fetch(`${config.refresh_path}/demo/lose`, { method: "POST" });
  if (!response.ok) return;
  const { lost } = await response.json();
  note("warn", `An answer got lost: generation ${lost} never arrived`, "The server has moved on, this browser has not. It asks again with the token it has.");
  await pause(400);
  await client.attemptRefreshingSession();
});

onClick("copy", copyCookies);

async function copyCookies() {
  const response = await client.fetch(`${config.refresh_path}/demo/copy`, { method: "POST" });
  if (!response.ok) throw new Error(await problemOf(response));
  const { generation } = await response.json();
  note("warn", `The thief copied your refresh token: generation ${generation}`, "He has what your browser has. Nothing is wrong yet; go on as usual.");
}

onClick("use", strike);

onClick("first", async () => {
  await client.attemptRefreshingSession(); // so that your own next refresh is not at once, and can be awaited
  await copyCookies();
  await strike();
});

onClick("bound", async () => {
  const response = await client.fetch("/demo/bound", { method: "POST" });
  if (!response.ok) throw new Error(await problemOf(response));
  const { session, thief, owner } = await response.json();
  const isSafe = thief.reason === "binding" && owner.outcome === "rotated";
  note(
    isSafe ? "warn" : "theft",
    isSafe ? "The copy of the bound session opens nothing" : `The copy of the bound session: ${thief.outcome}`,
    `Session ${short(session)}: the thief showed the cookies and a key of his own, and was refused. The owner refreshed with the key of the device: generation ${owner.generation}. Nobody was signed out.`,
  );
  await listSessions();
});

async function strike() {
  const response = await window.fetch("/demo/thief", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ session: state.handle }),
  });
  if (!response.ok) throw new Error(await problemOf(response));
  const { outcome } = await response.json();
  state.isThiefAhead = outcome === "rotated";
}

// -- signing in -------------------------------------------------------------------------------------------------------

async function signIn(user) {
  await attempt($("sign-in-problem"), () => postJson("/login", { user }));
}

for (const user of config.users) {
  const button = element("button", element("span.avatar", initial(user)), user);
  button.dataset.testid = `sign-in-${user.toLowerCase()}`;
  button.type = "button";
  button.addEventListener("click", () => signIn(user));
  $("people").append(button);
}

$("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  await signIn($("user").value);
});

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const isWritten = await attempt($("feed-problem"), () => postJson("/api/posts", { text: $("text").value }));
  if (isWritten) $("text").value = "";
  await callFeed();
});

// -- start ------------------------------------------------------------------------------------------------------------

/** An element; `name` may carry classes, as in "span.soft". */
function element(name, ...content) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  made.append(...content);
  return made;
}

function initial(name) {
  return [...name][0].toUpperCase();
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

$("status").textContent = config.session_expired_status;
$("path").textContent = config.refresh_path;
document.querySelectorAll(".validity").forEach((place) => place.replaceChildren(String(config.access_token_validity)));

setInterval(drawLife, 100);
setInterval(() => {
  const isOver = state.endedAt !== undefined && Date.now() - state.endedAt > LOOK_ON_AFTER_END_MS;
  if (!document.hidden && !isOver) void look();
  const handle = client.getAccessTokenPayload()?.sessionHandle;
  if (handle !== undefined && handle !== state.handle) began(); // another tab signed in
}, LOOK_EVERY_MS);
setInterval(() => {
  const isOn = $("auto").checked && state.holds === 0 && !document.hidden;
  if (isOn && document.body.dataset.state === "signed-in") void callFeed();
}, CALL_EVERY_MS);

const isSignedIn = await client.doesSessionExist().catch(() => false);
if (isSignedIn) began();
else show("signed-out");
