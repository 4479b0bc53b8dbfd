/** The browser as an `Environment`. Nothing is touched before it is needed, so a page may be imported on a server. */

import type { Environment } from "./contract.js";

export function browserEnvironment(): Environment {
  // Taken once: a page may later install the client's own fetch as window.fetch, which must not call itself.
  const nativeFetch = globalThis.fetch;
  return {
    fetch: (input, init) => nativeFetch.call(globalThis, input, init),
    now: () => Date.now(),
    random: () => Math.random(),
    setTimer,
    readCookies: () => document.cookie,
    writeCookie: (cookie) => {
      document.cookie = cookie;
    },
    storage: () => localStorage,
    pageUrl: () => location.href,
    baseUrl: () => document.baseURI,
    isOnline: () => navigator.onLine !== false,
    onceOnline,
    locks: globalThis.navigator?.locks,
    openChannel,
    reportError: console.error,
  };
}

function setTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function onceOnline(callback: () => void): () => void {
  addEventListener("online", callback, { once: true });
  return () => removeEventListener("online", callback);
}

function openChannel(name: string, heard: () => void): () => void {
  // A post may be here before what was stored ahead of it, and a page that was put aside has missed both.
  for (const event of ["storage", "pageshow"]) addEventListener(event, heard);
  if (!globalThis.BroadcastChannel) return () => undefined; // Other tabs then notice with their next call.
  const channel = new BroadcastChannel(name);
  channel.onmessage = heard;
  return () => channel.postMessage(0);
}
