/** The client on a rendering server: there is no session, and requests belong to many users. */

import type { Fetch, SessionClient } from "./contract.js";

export function createInertClient(): SessionClient {
  const fetch: Fetch = (input, init) => globalThis.fetch(input, init);
  const nothing = () => undefined;
  return {
    fetch,
    doesSessionExist: async () => false,
    getUserId: nothing,
    getAccessTokenPayload: nothing,
    attemptRefreshingSession: async () => false,
    signOut: async () => undefined,
    on: () => nothing,
    close: nothing,
    calls: {
      apiOrigin: undefined,
      resolve: String,
      isOurs: () => false,
      isRefusal: () => false,
      run: async ({ own, send }) => ({ response: await send(new Headers(own)), verdict: "answered" }),
      through: (given) => given,
      onClose: nothing,
    },
  };
}
