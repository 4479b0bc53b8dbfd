import axios from "axios";

import { begin, ready } from "./shared.js";

await begin(() => undefined);
const way = (adapter) => () => axios.get("/api/feed", { adapter }).then(({ data }) => data);
window.abort = new AbortController();
window.aborted = (adapter) =>
  axios.get("/api/feed", { adapter, signal: (window.abort = new AbortController()).signal }).catch(({ code }) => code);
window.failing = (adapter) => axios.get("/api/nothing", { adapter }).catch(({ response }) => response.status);
ready({ xhr: way("xhr"), fetch: way("fetch") });
