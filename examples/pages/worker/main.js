/** Header mode in a service worker: no script of the page can read a token. */

import { createSessionClient } from "reseal-browser";

import { asJson, fetched, showFeed } from "../shared/feed.js";
import { showSession } from "../shared/panel.js";

const KEEP_UP_EVERY_MS = 20_000;

const workers = navigator.serviceWorker;
const controlled = new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
// The scope is this page alone: the others keep to cookies, or keep their tokens themselves.
await workers.register("/session-worker.js", { type: "module", scope: "/worker" });
if (!workers.controller) {
  (await workers.ready).active.postMessage(0); // Any message asks the worker to serve this page too.
  await controlled;
}
// A worker that has nothing to do is stopped, and the tokens are gone with it.
setInterval(() => workers.controller?.postMessage(0), KEEP_UP_EVERY_MS);

// Plain calls carry the session as well; those made with the client also update its signed-in user.
const session = createSessionClient({ tokenTransferMethod: "header" });

showSession(session, { hasThief: false });
showFeed(session, {
  signIn: (user) => fetched(session.fetch("/login", asJson({ user }))),
  load: async () => (await fetched(session.fetch("/getHomeFeed"))).posts,
  write: (text) => fetched(session.fetch("/api/posts", asJson({ text }))),
});
