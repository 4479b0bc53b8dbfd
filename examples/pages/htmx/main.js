/** htmx, untouched: its requests carry the session. The markup holds the requests and their targets. */

import htmx from "htmx.org";
import { createSessionClient } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";

import { CALL_EVERY_MS } from "../shared/feed.js";
import { showSession } from "../shared/panel.js";

const session = createSessionClient();
intercept(session); // From here on an expired session is refreshed, and the request sent again.

/** The event for which the feed in the markup waits. */
function look() {
  if (session.getUserId() !== undefined) htmx.trigger(document.body, "look");
}

showSession(session);
session.on("SESSION_CREATED", look);
addEventListener("load", look);
document.querySelector("form").addEventListener("htmx:after:swap", (event) => event.currentTarget.reset());
setInterval(look, CALL_EVERY_MS);
