/**
 * Proofs that this browser has the key to which a session in headers is bound (DPoP, RFC 9449).
 *
 *   answer to a request with a proof              then
 *   refused, with a nonce other than the sent one repeated once, with that nonce
 *   refused, by a clock that differs from ours    repeated once, by that clock
 *   refused at another address of the API, where  repeated once, with a proof for that address; where nothing is to be
 *   a redirect led to                             changed, it is sent there at once
 *   anything else                                 is the answer, and a nonce in it is for the next request
 */

import type { DeviceKey, Dispatch, MakeProofs, ProvenRequest, Reply } from "./contract.js";
import { createDeviceKeys } from "./device-keys.js";
import { mayHaveBody } from "./request.js";

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };
/** Browsers have been seen to leave the opening of a database without an answer. */
const STORAGE_TIMEOUT_MS = 3_000;
/** For how long a nonce is sent. It is valid for a minute more; without one, the clock is enough, once it was set right. */
const NONCE_KEPT_MS = 240_000;
/** Pauses before a key is asked for again to which a session is bound. */
const STORAGE_PAUSES_MS = [200, 1_000];
/** `Date` has whole seconds, and an answer takes a while. */
const CLOCK_PRECISION_MS = 2_000;
/** Statuses with which a proof may be refused, besides the session's own. */
const REFUSALS = [400, 401];
/** What such a refusal says (RFC 9449, sections 7.1, 8 and 9); scripts of another origin may not read it. */
const REFUSED = /use_dpop_nonce|invalid_dpop_proof/;

/** What a proof was made with. */
interface Made {
  readonly nonce: string | undefined;
  readonly aheadMs: number;
}

interface AccessToken {
  readonly cnf?: { readonly jkt?: string };
  readonly iat?: number;
}

/** Pass this as the option `dpop`. */
export const dpop: MakeProofs = ({ apiOrigin, name, expiredStatus, now, setTimer, reportError, keys = createDeviceKeys(name) }) => {
  let known: DeviceKey | undefined;
  let isUnable = false;
  let nonce: string | undefined;
  let nonceEndsAt = 0;
  /** By how much the server's clock is ahead of ours. */
  let aheadMs = 0;

  async function send<R extends Reply>(request: ProvenRequest, dispatch: Dispatch<R>): Promise<R> {
    const bound = claimsOf(request.session)?.cnf?.jkt;
    const key = await keyFor(bound);
    if (!key) return dispatch();
    let isTaught = false;
    for (let { url } = request; ; ) {
      if (now() >= nonceEndsAt) nonce = undefined;
      const made = { nonce, aheadMs };
      const proof = { text: await prove({ ...request, url }, key, made), isBound: bound !== undefined };
      const reply = await dispatch(proof, mayHaveBody(request.method) ? undefined : url);
      const end = new URL(reply.url, url); // Without an address it is an answer made in this browser.
      if (end.origin !== apiOrigin) return reply;
      const isWrong = learn(reply, made) && !isTaught;
      const isMoved = url === request.url && isOfProof(reply) && addressOf(end.href) !== addressOf(url);
      if (!isWrong && !isMoved) return keptFor(reply, key);
      if (isMoved) url = end.href;
      else isTaught = true;
      reply.body?.cancel().catch(() => undefined);
    }
  }

  function isRefusal({ status }: Reply): boolean {
    return REFUSALS.includes(status) || status === expiredStatus;
  }

  function isOfProof(reply: Reply): boolean {
    return isRefusal(reply) && REFUSED.test(reply.headers.get("www-authenticate") ?? "use_dpop_nonce");
  }

  /** The key of a bound session, or the one for the next. Undefined if this browser keeps none. */
  async function keyFor(bound: string | undefined): Promise<DeviceKey | undefined> {
    if (bound !== undefined && known?.thumbprint === bound) return known;
    if (isUnable && bound === undefined) return undefined;
    for (const pauseMs of [...(bound === undefined ? [] : STORAGE_PAUSES_MS), 0]) {
      try {
        return (known = await inTime(find(bound)));
      } catch (cause) {
        if (pauseMs) await new Promise<void>((resolve) => setTimer(resolve, pauseMs));
        else if (!isUnable) reportError(new Error("This browser keeps no key, so that its sessions are not bound to it.", { cause }));
      }
    }
    isUnable = true;
    return undefined;
  }

  /** One whose session has lost its key comes with another one, and is told by the server. */
  async function find(bound: string | undefined): Promise<DeviceKey> {
    const all = await keys.all();
    return all.find(({ thumbprint }) => thumbprint === bound) ?? all[0] ?? keys.offer(await makeKey());
  }

  function inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = setTimer(() => reject(new Error("The browser's database does not answer.")), STORAGE_TIMEOUT_MS);
      void work.then(resolve, reject).finally(cancel);
    });
  }

  /** Note what the answer tells of the server. Returns whether it refuses a proof that can be made better. */
  function learn(reply: Reply, made: Made): boolean {
    const { headers } = reply;
    const given = headers.get("dpop-nonce");
    if (given) [nonce, nonceEndsAt] = [given, now() + NONCE_KEPT_MS];
    const { iat = NaN } = claimsOf(headers.get("st-access-token")) ?? {};
    // Any other answer may be an old one, of a cache.
    const time = isRefusal(reply) || iat ? Date.parse(headers.get("date") ?? "") || iat * 1000 : NaN;
    const difference = time - now();
    if (difference) aheadMs = Math.abs(difference) > CLOCK_PRECISION_MS ? difference : 0;
    return isOfProof(reply) && (nonce !== made.nonce || Math.abs(aheadMs - made.aheadMs) > CLOCK_PRECISION_MS);
  }

  /** Make sure that the key of a new token is kept: another tab's sign-out may have removed it meanwhile. */
  async function keptFor<R extends Reply>(reply: R, key: DeviceKey): Promise<R> {
    if (claimsOf(reply.headers.get("st-access-token"))?.cnf?.jkt !== key.thumbprint) return reply;
    known = key;
    await inTime(keys.keep(key)).catch(reportError);
    return reply;
  }

  async function prove({ method, url, shown }: ProvenRequest, key: DeviceKey, made: Made): Promise<string> {
    const { kty, crv, x, y } = key.publicKey;
    const claims = {
      jti: encoded(crypto.getRandomValues(new Uint8Array(16))),
      htm: asSent(method),
      htu: addressOf(url),
      iat: Math.floor((now() + made.aheadMs) / 1000),
      nonce: made.nonce,
      ath: shown && (await digest(shown)),
    };
    const text = [{ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } }, claims].map(written).join(".");
    const signature = await crypto.subtle.sign(SIGNATURE, key.privateKey, new TextEncoder().encode(text));
    return `${text}.${encoded(new Uint8Array(signature))}`;
  }

  async function forget(isEnd: boolean): Promise<void> {
    const last = known;
    known = undefined;
    if (isEnd && last) await inTime(keys.remove(last.thumbprint)).catch(reportError);
  }

  return { send, forget };
};

async function makeKey(): Promise<DeviceKey> {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
  const publicKey = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const { crv, kty, x, y } = publicKey;
  const thumbprint = await digest(JSON.stringify({ crv, kty, x, y })); // RFC 7638: in this order
  return { privateKey: pair.privateKey, publicKey, thumbprint };
}

/** Without query and fragment. */
function addressOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** The method as a browser writes it (Fetch, "normalize a method"). */
function asSent(method: string): string {
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
}

/** What an access token says, unchecked; undefined for anything else. */
function claimsOf(token: string | null | undefined): AccessToken | undefined {
  try {
    return Object(JSON.parse(atob((token?.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))));
  } catch {
    return undefined;
  }
}

async function digest(text: string): Promise<string> {
  return encoded(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function written(value: object): string {
  return encoded(new TextEncoder().encode(JSON.stringify(value)));
}

function encoded(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
