/** Turns what the page configured into checked settings, and holds the limits which no page needs to change. */

import type { Environment, SessionClientOptions, TokenTransferMethod } from "./contract.js";

export interface Settings {
  readonly apiOrigin: string;
  readonly refreshUrl: string;
  readonly signOutUrl: string;
  readonly sessionExpiredStatus: number;
  readonly maxRefreshesPerCall: number;
  readonly transfer: TokenTransferMethod;
  readonly refreshAheadMs: number;
  readonly cookieSameSite: string;
  readonly cookiePartitioned: boolean;
  readonly cookieSuffix: string;
}

/** Requests of one refresh, the first included. */
export const MAX_REFRESH_ATTEMPTS = 6;
/** One refresh request without an answer counts as lost after this time. */
export const REFRESH_TIMEOUT_MS = 15_000;
/** Sign-out as a whole, a refresh on the way included. */
export const SIGN_OUT_TIMEOUT_MS = 60_000;
/** What another tab has under way is waited for so long; then ours goes ahead, which the server tolerates. */
export const LOCK_PATIENCE_MS = 5_000;
/**
 * What a tab has stored may reach the others so much later than its lock does: the storage in every browser, cookies in those
 * that, like Firefox, give each process a copy.
 */
export const NEWS_TRAVEL_MS = 100;
/** A session renewed more recently than this is valid: a refusal has another reason. */
export const JUST_NOW_MS = 10_000;
/** A browser that calls itself offline is believed for so long. */
export const OFFLINE_PATIENCE_MS = 30_000;
/** The longest Retry-After that is obeyed to the letter. */
export const RETRY_AFTER_LIMIT_MS = 30_000;
/** Upper edge of the first random pause; it doubles with every failure up to the longest. */
export const FIRST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 8_000;
const DAY_MS = 86_400_000;

/** Check the options. Raises `TypeError` for a configuration that cannot work or would leave the API origin. */
export function readSettings(options: SessionClientOptions, environment: Environment): Settings {
  const apiOrigin = originOf(options.apiDomain ?? environment.pageUrl(), options.apiDomain !== undefined);
  return {
    apiOrigin,
    refreshUrl: endpoint(apiOrigin, options.refreshPath ?? "/session/refresh"),
    signOutUrl: endpoint(apiOrigin, options.signOutPath ?? "/signout"),
    sessionExpiredStatus: expiredStatus(options.sessionExpiredStatus ?? 401),
    maxRefreshesPerCall: integer("maxRefreshesPerCall", options.maxRefreshesPerCall ?? 3, 1, 100),
    transfer: transferMethod(options.tokenTransferMethod ?? "cookie"),
    cookieSameSite: sameSite(options.cookieSameSite ?? "lax"),
    cookiePartitioned: partitioned(options),
    cookieSuffix: suffix(options.cookieSuffix ?? ""),
    refreshAheadMs: integer("refreshAheadMs", options.refreshAheadMs ?? 0, 0, DAY_MS),
  };
}

function originOf(address: string, mustBeBare: boolean): string {
  const url = new URL(address);
  const isBare = url.href === `${url.origin}/`;
  if (!/^https?:$/.test(url.protocol) || (mustBeBare && !isBare)) {
    throw new TypeError("apiDomain must be an http(s) origin without a path");
  }
  return url.origin;
}

function endpoint(apiOrigin: string, path: string): string {
  // "//elsewhere.example/x" is a path by its looks and another host by its meaning.
  if (!path.startsWith("/") || new URL(path, apiOrigin).origin !== apiOrigin) {
    throw new TypeError(`${path} is not a path on the API origin`);
  }
  return apiOrigin + path;
}

function expiredStatus(status: number): number {
  // These two say something else: a claim is missing, and the store is silent.
  if (status === 403 || status === 503) throw new TypeError("sessionExpiredStatus must not be 403 or 503");
  return integer("sessionExpiredStatus", status, 400, 599);
}

function transferMethod(method: TokenTransferMethod): TokenTransferMethod {
  if (method === "cookie" || method === "header") return method;
  throw new TypeError('tokenTransferMethod must be "cookie" or "header"');
}

function sameSite(value: string): string {
  if (/^(lax|strict|none)$/.test(value)) return value;
  throw new TypeError('cookieSameSite must be "lax", "strict" or "none"');
}

function partitioned({ cookiePartitioned = false, cookieSameSite }: SessionClientOptions): boolean {
  if (cookiePartitioned && cookieSameSite !== "none") throw new TypeError('cookiePartitioned needs cookieSameSite: "none"');
  return cookiePartitioned;
}

function suffix(value: string): string {
  if (/^[\w-]{0,32}$/.test(value)) return value;
  throw new TypeError("cookieSuffix must be up to 32 characters of A-Z, a-z, 0-9, - and _");
}

function integer(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`${name} must be a whole number from ${least} to ${most}`);
  }
  return value;
}
