/** The headers by which the server recognises this client. They are only ever put on calls to the API origin. */

import type { Proof, TokenTransferMethod } from "./contract.js";

const FDI_VERSIONS = "1.16,1.17,1.18,1.19,2.0,3.0,3.1,4.0,4.1,4.2";

const BEARER = "Bearer";
const DPOP = "DPoP";

/** Says how the session travels. Every request of a session client has it, and no other. */
export const SESSION_MARK = "st-auth-mode";

/** What goes along with one request, as far as it is known. */
export interface Credentials {
  readonly antiCsrf: string | undefined;
  /** The token that this request is to be made with; only ever known in header mode. */
  readonly token: string | undefined;
  /** That this browser has the session's key. */
  readonly proof: Proof | undefined;
}

/** Complete a request's headers; what the caller set stays, except a possibly outdated anti-CSRF token. */
export function callHeaders(own: HeadersInit, transfer: TokenTransferMethod, { antiCsrf, token, proof }: Credentials): Headers {
  const headers = new Headers(own);
  const complete = (name: string, value: string) => headers.has(name) || headers.set(name, value);
  if (antiCsrf !== undefined) headers.set("anti-csrf", antiCsrf);
  if (token !== undefined) complete("authorization", `${proof?.isBound ? DPOP : BEARER} ${token}`);
  if (proof) headers.set("dpop", proof.text);
  complete("rid", "anti-csrf");
  complete(SESSION_MARK, transfer);
  return headers;
}

/** The caller's own headers, without an `Authorization` that is ours: each repetition gets that of its time. */
export function ownHeaders(own: HeadersInit | undefined, token: string | undefined): Headers {
  const headers = new Headers(own);
  const ours = [BEARER, DPOP].map((scheme) => `${scheme} ${token}`);
  if (ours.includes(headers.get("authorization") ?? "")) headers.delete("authorization");
  return headers;
}

/** The headers of refresh and sign-out, to be completed by `callHeaders`. */
export function sessionHeaders(): Record<string, string> {
  return { rid: "session", "fdi-version": FDI_VERSIONS };
}
