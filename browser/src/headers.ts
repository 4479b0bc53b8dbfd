/** The headers by which the server recognises this client. They are only ever put on calls to the API origin. */

const FDI_VERSIONS = "1.16,1.17,1.18,1.19,2.0,3.0,3.1,4.0,4.1,4.2";

/** Complete an ordinary call's headers; what the caller set stays, except a possibly outdated anti-CSRF token. */
export function callHeaders(own: HeadersInit | undefined, antiCsrf: string | undefined): Headers {
  const headers = new Headers(own);
  if (antiCsrf !== undefined) headers.set("anti-csrf", antiCsrf);
  if (!headers.has("rid")) headers.set("rid", "anti-csrf");
  if (!headers.has("st-auth-mode")) headers.set("st-auth-mode", "cookie");
  return headers;
}

/** The headers of refresh and sign-out, to be completed by `callHeaders`. */
export function sessionHeaders(): HeadersInit {
  return { rid: "session", "fdi-version": FDI_VERSIONS };
}
