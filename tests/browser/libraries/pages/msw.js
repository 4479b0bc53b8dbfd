import { http, HttpResponse } from "msw";
import { setupWorker } from "msw/browser";

import { begin, ready, ways } from "./shared.js";

let isExpired = true;
const worker = setupWorker(
  http.get("/api/mocked", () => HttpResponse.json({ user: "a mock" })),
  http.get("/api/mocked-expiry", () => {
    const answer = HttpResponse.json({ user: "a mock" }, { status: isExpired ? 401 : 200 });
    isExpired = false;
    return answer;
  }),
);
await begin(() => worker.start({ onUnhandledRequest: "bypass", quiet: true }));
window.mocked = (path) => fetch(path).then((response) => response.json());
ready(ways);
