/** axios, untouched: the page's XMLHttpRequest carries the session. */

import axios from "axios";
import { createSessionClient } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";

import { showFeed } from "../shared/feed.js";
import { showSession } from "../shared/panel.js";

const session = createSessionClient();
intercept(session); // From here on an expired session is refreshed, and the request sent again.

showSession(session);
showFeed(session, {
  signIn: (user) => axios.post("/login", { user }),
  load: async () => (await axios.get("/getHomeFeed")).data.posts,
  write: (text) => axios.post("/api/posts", { text }),
});
