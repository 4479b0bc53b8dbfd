// Compiled, never run: a page written in strict TypeScript can use the published types.
import { createSessionClient, SessionRefreshError, type SessionClient } from "../dist/reseal-browser.js";

export const client: SessionClient = createSessionClient({ sessionExpiredStatus: 440, environment: { random: () => 0 } });
export const sameSignature: typeof window.fetch = client.fetch;
export const stop: () => void = client.on("SESSION_EXPIRED", ({ userId, reason }) => [userId?.length, reason === "refused"]);

client.on("REFRESH_FAILED", ({ error }) => error instanceof SessionRefreshError && error.attempts.toFixed());
// @ts-expect-error There is no such event.
client.on("SESSION_STARTED", () => undefined);
// @ts-expect-error There is no such option.
createSessionClient({ refreshUrl: "/x" });
