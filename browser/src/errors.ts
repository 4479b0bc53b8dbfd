/** The errors that a page can catch. Every class carries a stable `code` and the facts of the case. */

export abstract class SessionError extends Error {
  abstract readonly code: string;
}

/** The refresh failed without a decision; the session is kept and a later call retries. */
export class SessionRefreshError extends SessionError {
  override readonly name = "SessionRefreshError";
  readonly code = "SESSION_REFRESH_FAILED";
  /** How many requests were sent. */
  readonly attempts: number;
  /** The last answer's status; absent if there was no answer. */
  readonly status: number | undefined;

  constructor(facts: { attempts: number; status: number | undefined; cause: unknown }) {
    super(`The session could not be refreshed (${facts.status ?? "no answer"}); it is kept.`, { cause: facts.cause });
    this.attempts = facts.attempts;
    this.status = facts.status;
  }
}

/** The API keeps answering with the session-expired status although every refresh succeeds. */
export class SessionLoopError extends SessionError {
  override readonly name = "SessionLoopError";
  readonly code = "SESSION_LOOP";
  /** The last answer, unread. */
  readonly response: Response;

  constructor(response: Response) {
    super("The API refuses each refreshed session.");
    this.response = response;
  }
}

/** Another user signed in while a call waited for a refresh. It was not sent, because it was not meant for that user. */
export class SessionReplacedError extends SessionError {
  override readonly name = "SessionReplacedError";
  readonly code = "SESSION_REPLACED";

  constructor() {
    super("Another user signed in before the call could be sent.");
  }
}

/** The server did not end the session; the page should say so and offer to try again. */
export class SignOutError extends SessionError {
  override readonly name = "SignOutError";
  readonly code = "SIGN_OUT_FAILED";
  /** The answer's status; absent if there was no answer. */
  readonly status: number | undefined;
  /** The wait that the server asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(facts: { reason: string; status?: number; retryAfterMs?: number | undefined; cause?: unknown }) {
    super(`The server did not sign out: ${facts.reason}`, { cause: facts.cause });
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
  }
}
