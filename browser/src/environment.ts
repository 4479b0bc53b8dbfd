/**
 * The browser as an `Environment`. Nothing is touched before it is needed, so a page may be imported on a server; what only
 * browsers have may be missing, as in React Native.
 */

import type { Environment, SessionChannel } from "./contract.js";
import { NEWS_TRAVEL_MS } from "./options.js";

/** Is there neither a page nor a worker, and no replacement given? */
export function isServer(given: Partial<Environment> | undefined): boolean {
  return !given?.pageUrl && globalThis.window === undefined && globalThis.location === undefined;
}

/** `address`: what counts as the page's where pages have none. */
export function browserEnvironment(address?: string): Environment {
  return {
    // Looked up each time: a wrapper installed later must see the session's requests as well.
    fetch: (input, init) => globalThis.fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
    newKey,
    setTimer,
    readCookies: () => document.cookie,
    writeCookie: (cookie) => {
      document.cookie = cookie;
    },
    storage: () => localStorage,
    pageUrl: () => globalThis.location?.href ?? address ?? fail(),
    baseUrl: () => (globalThis.location ? document.baseURI : (address ?? fail())),
    isOnline: () => navigator.onLine !== false,
    onceOnline,
    locks: globalThis.navigator?.locks,
    openChannel,
    reportError: console.error,
  };
}

function fail(): never {
  throw new TypeError("apiDomain is needed where pages have no address");
}

function newKey(): string | undefined {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16));
  return bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function setTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function onceOnline(callback: () => void): () => void {
  addEventListener("online", callback, { once: true });
  return () => removeEventListener("online", callback);
}

/** When to look again after a post: Firefox has processes whose copy of the cookies is a little older than the post. */
const LOOK_AGAIN_MS = [NEWS_TRAVEL_MS, 1000];

function openChannel(name: string, heard: () => void): SessionChannel {
  // A post may arrive before the storage write that preceded it, and a suspended page has missed both.
  const events = ["storage", "pageshow"];
  for (const event of events) globalThis.addEventListener?.(event, heard);
  // Without channels other tabs notice with their next call.
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(name);
  if (channel) channel.onmessage = hear;
  let isOpen = true;

  function hear(): void {
    heard();
    for (const delay of LOOK_AGAIN_MS) setTimeout(() => isOpen && heard(), delay);
  }

  function post(): void {
    if (isOpen) channel?.postMessage(0);
  }

  post.close = () => {
    isOpen = false;
    for (const event of events) globalThis.removeEventListener?.(event, heard);
    channel?.close();
  };
  return post;
}
