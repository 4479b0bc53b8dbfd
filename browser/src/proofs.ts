/** Puts a proof on a request, where the page has turned that on. */

import type { Dispatch, Proofs, ProvenRequest, Refusable, Reply } from "./contract.js";
import type { Settings } from "./options.js";

/** A request as far as it is known. */
type Sent = { readonly [member in keyof ProvenRequest]?: ProvenRequest[member] | undefined };

/** Send a request, with a proof if one is to be made; at once if not. */
export type Proving = <R extends Reply>(request: Sent, send: Dispatch<R>) => Promise<R>;

/** A session in cookies needs no proof of a script: the browser has another way to bind it. */
export function createProving(proofs: Proofs | undefined, { transfer }: Settings): Proving {
  return (request, send) => {
    const { method = "GET", url, session, shown } = request;
    const isWanted = proofs && url !== undefined && (transfer === "header" || session !== undefined);
    return isWanted ? proofs.send({ method, url, session, shown }, send) : send();
  };
}

/** Is this the refusal of a proof? It has a status of its own (RFC 9449, section 7.1), whatever that of an expired session. */
export function refusesProof({ status, headers }: Refusable): boolean {
  return status === 401 && /^DPoP /i.test(headers?.get("www-authenticate") ?? "");
}
