/** React: two hooks, one for the user, one for the feed. */

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createSessionClient } from "reseal-browser";

import { showSession } from "../shared/panel.js";
import { App } from "./app.jsx";

const session = createSessionClient();

showSession(session);
createRoot(document.getElementById("app")).render(
  <StrictMode>
    <App session={session} />
  </StrictMode>,
);
