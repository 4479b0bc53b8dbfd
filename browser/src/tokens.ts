/**
 * The tokens of header mode. They live in the browser's storage, which is not sent along with every request as a cookie
 * would be; the refresh token leaves it for the refresh endpoint only. Every script of the page can read them.
 */

import type { TokenTransferMethod } from "./contract.js";
import type { TextStorage } from "./text-storage.js";

export const ACCESS_TOKEN = "st-access-token";
export const REFRESH_TOKEN = "st-refresh-token";

export interface Tokens {
  access(): string | undefined;
  refresh(): string | undefined;
  /** Apply a response's headers: text is the new token, an empty value deletes it, an absent one changes nothing. */
  take(headers: Headers): void;
  clear(): void;
}

export function createTokens(texts: TextStorage, transfer: TokenTransferMethod): Tokens {
  const access = () => texts.view()(ACCESS_TOKEN);
  const refresh = () => texts.view()(REFRESH_TOKEN);

  /** In cookie mode only a session already in headers may store tokens here: a live session keeps its transport. */
  function isAtHome(): boolean {
    return transfer === "header" || (access() ?? refresh()) !== undefined;
  }

  function clear(): void {
    for (const name of [ACCESS_TOKEN, REFRESH_TOKEN]) texts.erase(name);
  }

  function take(headers: Headers): void {
    if (!isAtHome()) return;
    for (const name of [ACCESS_TOKEN, REFRESH_TOKEN]) {
      const value = headers.get(name);
      if (value) texts.write(name, value);
      else if (value === "") texts.erase(name);
    }
  }

  return { access, refresh, take, clear };
}
