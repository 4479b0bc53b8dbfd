/** Reads and writes single script-readable cookies of the whole site. */

import type { Environment } from "./contract.js";
import type { Settings } from "./options.js";
import { backed, type TextStorage } from "./text-storage.js";

/** The longest lifetime of a cookie, in seconds: 400 days (RFC 6265bis). */
const FOR_EVER = 34_560_000;

/** What RFC 6265 allows in a cookie's value, less the percent sign, which would be mistaken for an escape on reading. */
const PLAIN_VALUE = /^[!#$&-+\--:<-[\]-~]*$/;

export function createCookieTextStorage(
  environment: Environment,
  { cookieSameSite: sameSite, cookieSuffix: suffix, cookiePartitioned }: Settings,
): TextStorage {
  const partitioned = cookiePartitioned ? ";partitioned" : "";
  function assign(name: string, value: string, maxAge: number): void {
    const secure = sameSite === "none" || environment.pageUrl().startsWith("https:") ? ";secure" : "";
    environment.writeCookie(`${name}${suffix}=${value};max-age=${maxAge};path=/;samesite=${sameSite}${secure}${partitioned}`);
  }
  const cookies: TextStorage = {
    view() {
      const cookies = environment.readCookies();
      return (name) => find(cookies, name + suffix);
    },
    // Written as received where possible, because other SDKs of this family neither escape nor unescape.
    write: (name, value) => assign(name, PLAIN_VALUE.test(value) ? value : encodeURIComponent(value), FOR_EVER),
    erase: (name) => assign(name, "", 0),
  };
  return backed(cookies, isForbidden);
}

/** Does the browser forbid cookies here, as in a sandboxed frame? */
function isForbidden(error: unknown): boolean {
  return error instanceof Error && error.name === "SecurityError";
}

/** The named cookie's value; an empty one counts as absent. */
function find(cookies: string, name: string): string | undefined {
  const prefix = `${name}=`;
  const pair = cookies.split("; ").find((candidate) => candidate.startsWith(prefix));
  return pair === undefined ? undefined : unescape(pair.slice(prefix.length)) || undefined;
}

function unescape(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // A stray percent sign, from a writer that does not escape.
  }
}
