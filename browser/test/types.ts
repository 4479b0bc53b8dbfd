// Compiled, never run: a page written in strict TypeScript can use the published types.
import { createSessionClient, SessionRefreshError, SessionReplacedError, type SessionClient, type SessionEvents } from "../dist/reseal-browser.js";
import { intercept } from "../dist/reseal-intercept.js";
import { dpop } from "../dist/reseal-dpop.js";
import { createSessionResponder, startSessionWorker, type SessionResponder } from "../dist/reseal-worker.js";

export const client: SessionClient = createSessionClient({ sessionExpiredStatus: 440, environment: { random: () => 0 } });
export const sameSignature: typeof window.fetch = client.fetch;
export const stop: () => void = client.on("SESSION_EXPIRED", ({ userId, reason, serverReason }) => [
  userId?.length, reason === "refused", serverReason === "user_revoked",
]);
client.close();
createSessionClient({ cookieSameSite: "none" });
export const undo: () => void = intercept(client);
export const kept = createSessionClient({ tokenTransferMethod: "header", refreshAheadMs: 60_000, environment: { storage: () => sessionStorage } });
export const respond: SessionResponder = createSessionResponder({ apiDomain: "https://api.example", persist: true });
startSessionWorker();
createSessionClient({ tokenTransferMethod: "header", dpop });
startSessionWorker({ dpop, persist: true });
startSessionWorker({ environment: { record: { load: async () => [], save: async () => undefined } } });

client.on("REFRESH_FAILED", ({ error }) => error instanceof SessionRefreshError && error.attempts.toFixed());
void client.fetch("/x").catch((error) => error instanceof SessionReplacedError && error.code === "SESSION_REPLACED");
client.on("PAYLOAD_UPDATED", ({ payload }) => payload?.["role"]);
client.on("SESSION_ENDED_ELSEWHERE", ({ userId }: SessionEvents["SESSION_ENDED_ELSEWHERE"]) => userId);
// A transport of one's own.
void client.calls.run({ own: undefined, signal: null, send: (headers) => fetch("/x", { headers }) }).then(({ verdict }) => verdict === "ended");

// @ts-expect-error There is no such event.
client.on("SESSION_STARTED", () => undefined);
// @ts-expect-error There is no such option.
createSessionClient({ refreshUrl: "/x" });
// @ts-expect-error There is no such way.
createSessionClient({ tokenTransferMethod: "url" });
// @ts-expect-error A worker knows one way only.
startSessionWorker({ tokenTransferMethod: "cookie" });
// @ts-expect-error A listener is told the facts of its own event.
client.on("SIGN_OUT", ({ reason }) => reason);
