/**
 * The attempt key: a random text by which the server recognises that a refresh asked for twice was asked for by the same
 * browser. It is made before the first request, kept where all tabs and a browser that was started again find it, sent with
 * every repetition, and replaced only when there are new tokens. It is no credential: without the token it is of no use.
 */

import type { Environment } from "./contract.js";
import type { Settings } from "./options.js";
import type { Shelf } from "./shelf.js";
import type { ReadableState, Snapshot } from "./state.js";

const ATTEMPT = "st-attempt";
const HEADER = "idempotency-key";

export interface Attempts {
  /** Has a refresh of these very tokens been asked for, by whichever tab? */
  isBegun(now: Snapshot): boolean;
  /** What the next request for a refresh of these tokens has to carry. */
  headers(now: Snapshot): Record<string, string>;
  /** There is nothing left to ask for. */
  forget(): void;
}

interface Parts {
  readonly environment: Environment;
  readonly settings: Settings;
  /** The browser's storage in both modes: it is on disk sooner than a cookie, which matters after a crash. */
  readonly storage: Shelf;
  readonly state: ReadableState;
}

export function createAttempts({ environment, settings, storage, state }: Parts): Attempts {
  const isSameOrigin = settings.apiOrigin === new URL(environment.pageUrl()).origin;

  /** The key of the attempt that began with these tokens. */
  function known({ marker = "" }: Snapshot): string | undefined {
    const [tokens, key] = (storage.read(ATTEMPT) ?? "").split(" ");
    return tokens === marker ? key : undefined;
  }

  function begin({ marker = "" }: Snapshot): string | undefined {
    const key = environment.newKey();
    if (key !== undefined) storage.write(ATTEMPT, `${marker} ${key}`);
    return key;
  }

  function headers(now: Snapshot): Record<string, string> {
    const key = known(now) ?? begin(now);
    // Another origin may not allow a header that it has not announced.
    const isWelcome = isSameOrigin || state.frontToken().knowsAttempts;
    return key !== undefined && isWelcome ? { [HEADER]: key } : {};
  }

  return {
    isBegun: (now) => known(now) !== undefined,
    headers,
    forget: () => storage.erase(ATTEMPT),
  };
}
