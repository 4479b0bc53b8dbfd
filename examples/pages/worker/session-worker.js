/** The service worker: it holds the tokens, and no page ever sees them. */

import { startSessionWorker } from "reseal-browser/worker";

startSessionWorker();
