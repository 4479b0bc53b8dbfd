import ky from "ky";

import { begin, ready } from "./shared.js";

await begin(() => undefined);
window.abort = new AbortController();
window.aborted = () => ky("/api/feed", { signal: (window.abort = new AbortController()).signal }).catch(({ name }) => name);
window.retrying = () => ky("/api/feed", { retry: { limit: 2, delay: () => 1 } }).json();
ready({ page: () => ky("/api/feed").json(), client: () => ky("/api/feed", { fetch: session.fetch }).json() });
