/** What an `XMLHttpRequest` shows of its request: that of the browser's own object, of another one, or of none. */

import type { Reply } from "./contract.js";

export const SHOWN = [
  "readyState", "status", "statusText", "responseURL", "response", "responseText", "responseXML",
] as const;

type Shown = (typeof SHOWN)[number];
export type View = { -readonly [N in Shown]: XMLHttpRequest[N] } &
  Pick<XMLHttpRequest, "getResponseHeader" | "getAllResponseHeaders">;

/** What the object itself shows, also when it is made to show something else. */
export function viewOf(xhr: XMLHttpRequest): View {
  const { getResponseHeader, getAllResponseHeaders } = xhr;
  const view = {
    getResponseHeader: (name: string) => getResponseHeader.call(xhr, name),
    getAllResponseHeaders: () => getAllResponseHeaders.call(xhr),
  };
  for (const name of SHOWN) {
    const member = memberOf(xhr, name);
    Object.defineProperty(view, name, {
      get: () => (member.get ? member.get.call(xhr) : member.value),
      set: (value) => (member.set ? member.set.call(xhr, value) : (member.value = value)),
    });
  }
  return view as View;
}

function memberOf(xhr: object, name: string): PropertyDescriptor {
  for (let holder = xhr; holder; holder = Object.getPrototypeOf(holder)) {
    const member = Object.getOwnPropertyDescriptor(holder, name);
    if (member) return member;
  }
  return {};
}

/** A request that is open (1), or has ended without an answer (4), or was taken back (0). */
export function blank(readyState: 0 | 1 | 4, type: XMLHttpRequestResponseType): View {
  return {
    readyState,
    status: 0,
    statusText: "",
    responseURL: "",
    response: type === "" || type === "text" ? "" : null,
    responseText: "",
    responseXML: null,
    getResponseHeader: () => null,
    getAllResponseHeaders: () => "",
  };
}

export function replyOf(view: View, type: XMLHttpRequestResponseType): Reply {
  const lines = [...view.getAllResponseHeaders().matchAll(/^([^:\r\n]+): ?(.*)$/gm)];
  const headers = new Headers(lines.map(([, name = "", value = ""]) => [name, value]));
  const { status, responseURL: url } = view;
  const json = async () => (type === "json" ? view.response : new Response(view.response).json());
  return { status, url, headers, ok: status >= 200 && status < 300, json };
}
