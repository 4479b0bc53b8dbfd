import { createSessionClient } from "/reseal-browser.js";

const session = createSessionClient();
const element = (id) => document.getElementById(id);

function note(text) {
  const line = document.createElement("li");
  line.textContent = `${new Date().toLocaleTimeString()}  ${text}`;
  element("log").prepend(line);
}

async function show() {
  const isSignedIn = await session.doesSessionExist();
  element("signed-in").hidden = !isSignedIn;
  element("signed-out").hidden = isSignedIn;
  element("user").textContent = isSignedIn ? await session.getUserId() : "";
  if (isSignedIn) await load();
}

async function load() {
  const response = await session.fetch("/getHomeFeed");
  if (!response.ok) return note(`GET /getHomeFeed: ${response.status}`);
  const { framework, posts } = await response.json();
  element("framework").textContent = framework;
  element("feed").replaceChildren(...posts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  note("GET /getHomeFeed: 200");
}

session.on("SESSION_CREATED", ({ userId }) => note(`signed in as ${userId}`));
session.on("REFRESH_SESSION", () => note("the access token had expired: refreshed, and the call repeated"));
session.on("SIGN_OUT", () => note("signed out"));
session.on("SESSION_EXPIRED", ({ serverReason }) => { note(`the session has ended (${serverReason})`); show(); });

element("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const user = new FormData(event.target).get("user");
  await session.fetch("/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user }),
  });
  await show();
});
element("load").addEventListener("click", load);
element("sign-out").addEventListener("click", async () => { await session.signOut(); await show(); });

await show();
