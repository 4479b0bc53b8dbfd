/**
 * The attempt key: random text by which the server recognises retries of a refresh by the same browser. It is generated
 * before the first request, stored where all tabs and a restarted browser find it, sent with every retry, and replaced only
 * when there are new tokens. It is not a credential: without the token it is useless.
 */

import type { Environment, SessionStorage } from "./contract.js";
import type { Settings } from "./options.js";
import type { Snapshot } from "./state.js";

const ATTEMPT = "st-attempt";
const HEADER = "idempotency-key";

export interface Attempts {
  /** Has any tab already sent a refresh of these tokens? */
  isBegun(now: Snapshot): boolean;
  /** What the next request for a refresh of these tokens has to carry. */
  headers(now: Snapshot): Record<string, string>;
  /** The same tokens have another marker now. */
  move(before: Snapshot, now: Snapshot): void;
  /** There is nothing left to ask for. */
  forget(): void;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
}

export function createAttempts({ environment, settings }: Parts): Attempts {
  const isSameOrigin = settings.apiOrigin === new URL(environment.pageUrl()).origin;

  /**
   * Use the browser's storage, in cookie mode as well: it reaches the disk sooner than a cookie, which matters after a crash.
   * Without storage no key is sent: it would be lost, and a second key for the same tokens looks like another client's.
   */
  function stored<T>(use: (storage: SessionStorage) => T): T | undefined {
    try {
      return use(environment.storage());
    } catch {
      return undefined;
    }
  }

  /** The key of the attempt that began with these tokens. */
  function known({ marker = "" }: Snapshot): string | undefined {
    const [tokens, key] = (stored((storage) => storage.getItem(ATTEMPT)) ?? "").split(" ");
    return tokens === marker ? key : undefined;
  }

  function write({ marker = "" }: Snapshot, key: string | undefined): void {
    if (key !== undefined) stored((storage) => storage.setItem(ATTEMPT, `${marker} ${key}`));
  }

  function begin(now: Snapshot): string | undefined {
    write(now, environment.newKey());
    return known(now);
  }

  function headers(now: Snapshot): Record<string, string> {
    const key = known(now) ?? begin(now);
    // Another origin may not allow a header that it has not announced.
    const isWelcome = isSameOrigin || now.knowsAttempts;
    return key !== undefined && isWelcome ? { [HEADER]: key } : {};
  }

  return {
    isBegun: (now) => known(now) !== undefined,
    headers,
    move: (before, now) => write(now, known(before)),
    forget: () => stored((storage) => storage.removeItem(ATTEMPT)),
  };
}
