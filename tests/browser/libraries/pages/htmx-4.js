import htmx from "htmx.org";

import { show } from "./htmx.js";
import { begin } from "./shared.js";

await begin(() => undefined);
show(htmx);
