/** What the session does, beside each page's feed: its remaining seconds, its events, its end. */

import { keepFocus } from "../../fastapi_feed/static/focus.js";
import { ENDINGS } from "../../fastapi_feed/static/words.js";
import { asJson, element, fetched } from "./feed.js";

const LOOK_EVERY_MS = 200;
const LINES_KEPT = 40;

const $ = (id) => document.getElementById(id);
/** The SDK notifies other tabs of the end of the session, but not of the reason. This page passes its reason on. */
const notices = new BroadcastChannel("feed-notices");

/** Show a session in the markup that all these pages share. `hasThief`: offer one who copies the cookies. */
export function showSession(session, { hasThief = true } = {}) {
  session.on("SESSION_CREATED", ({ userId }) => {
    note("notable", `SESSION_CREATED: ${userId}`);
    drawUser(session);
  });
  session.on("REFRESH_SESSION", () => {
    $("refreshes").textContent = Number($("refreshes").textContent) + 1;
    note("refreshed", "REFRESH_SESSION: new tokens, and the call is sent again");
    drawUser(session);
  });
  session.on("REFRESH_FAILED", () => note("warn", "REFRESH_FAILED: the session is kept"));
  session.on("TOKEN_THEFT", () => {
    note("theft", "TOKEN_THEFT: the refresh token was used by two parties");
    notices.postMessage("theft");
  });
  session.on("SIGN_OUT", () => drawEnd("signed_out"));
  session.on("SESSION_EXPIRED", ({ reason, serverReason }) => {
    note("warn", `SESSION_EXPIRED: ${serverReason ?? reason}`);
    drawEnd({ "token-theft": "theft", elsewhere: "elsewhere" }[reason] ?? serverReason);
  });
  notices.onmessage = ({ data }) => drawEnd(data);

  $("sign-out").addEventListener("click", () => session.signOut());
  $("refresh").addEventListener("click", () => session.attemptRefreshingSession());
  $("thief-first").hidden = !hasThief;
  $("thief-first").addEventListener("click", () => letThiefIn(session));
  setInterval(() => drawLife(session), LOOK_EVERY_MS);
  void start(session);
}

async function start(session) {
  await session.doesSessionExist();
  drawUser(session);
}

function drawUser(session) {
  const user = session.getUserId();
  show(user === undefined ? "signed-out" : "signed-in");
  if (user === undefined) return;
  $("user-id").textContent = user;
  $("avatar").textContent = user[0];
  $("ended").hidden = true;
  drawLife(session);
}

/** The seconds that are left, by this machine's clock, which is the server's as well. Elsewhere the two differ. */
function drawLife(session) {
  const payload = session.getAccessTokenPayload();
  if (!payload) return;
  const left = Math.max(0, payload.exp - Date.now() / 1000);
  $("life-left").textContent = left > 0 ? `${left.toFixed(1)} s left` : "expired; the next call renews it";
  $("life-bar").style.transform = `scaleX(${Math.min(1, left / (payload.exp - payload.iat))})`;
  $("life-bar").classList.toggle("late", left < 0.25 * (payload.exp - payload.iat));
}

function drawEnd(reason) {
  const isKnown = !$("ended").hidden && $("ended").dataset.reason === "theft";
  if (isKnown && reason === "elsewhere") return; // The other tab's notice was here first.
  const { title, text } = ENDINGS[reason] ?? ENDINGS.other;
  $("ended-title").textContent = title;
  $("ended-text").textContent = text;
  $("ended").className = reason === "theft" ? "ended theft" : "ended";
  $("ended").dataset.reason = reason;
  $("ended").hidden = false;
  $("forecast").textContent = "";
  show("signed-out");
}

function show(state) {
  const before = document.body.dataset.state;
  document.body.dataset.state = state;
  if (before !== "loading" && before !== state) keepFocus();
}

/** For this demo only: the server plays a thief who copied this browser's refresh token and uses it first. */
async function letThiefIn(session) {
  await session.attemptRefreshingSession(); // Otherwise the next refresh may come at once, and look like a second tab.
  const handle = session.getAccessTokenPayload()?.sessionHandle;
  await fetched(session.fetch("/session/refresh/demo/copy", { method: "POST" }));
  const { outcome } = await fetched(session.fetch("/demo/thief", asJson({ session: handle })));
  $("forecast").textContent =
    outcome === "rotated"
      ? "He holds the current token, and this browser the spent one. Your next refresh shows it."
      : "Another tab refreshed at this very moment, so he looks like a second tab. Let him try again.";
}

function note(kind, text) {
  const line = element(`li.${kind}`, element("time", new Date().toLocaleTimeString([], { hour12: false })), element("b", text));
  $("log").prepend(line);
  for (const old of [...$("log").children].slice(LINES_KEPT)) old.remove();
}
