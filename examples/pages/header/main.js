/** Header mode: this page keeps the tokens itself, where every script of the page can read them. */

import { createSessionClient } from "reseal-browser";

import { asJson, fetched, showFeed } from "../shared/feed.js";
import { showSession } from "../shared/panel.js";

const session = createSessionClient({ tokenTransferMethod: "header" });

showSession(session, { hasThief: false });
showFeed(session, {
  signIn: (user) => fetched(session.fetch("/login", asJson({ user }))),
  load: async () => (await fetched(session.fetch("/getHomeFeed"))).posts,
  write: (text) => fetched(session.fetch("/api/posts", asJson({ text }))),
});
