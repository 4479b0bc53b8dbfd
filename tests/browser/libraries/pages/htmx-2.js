import htmx from "htmx-2/dist/htmx.esm.js";

import { show } from "./htmx.js";
import { begin } from "./shared.js";

await begin(() => undefined);
show(htmx);
