/** The browser side of Reseal. */

export { createSessionClient } from "./client.js";
export { SessionError, SessionLoopError, SessionRefreshError, SignOutError } from "./errors.js";
export type {
  Environment,
  SessionClient,
  SessionClientOptions,
  SessionEndReason,
  SessionEventName,
  SessionEvents,
  SessionListener,
  SessionLocks,
} from "./contract.js";
