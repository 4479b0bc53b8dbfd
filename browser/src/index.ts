/** The browser side of Reseal. */

export { createSessionClient } from "./client.js";
export { SessionError, SessionLoopError, SessionRefreshError, SessionReplacedError, SignOutError } from "./errors.js";
export type * from "./contract.js";
