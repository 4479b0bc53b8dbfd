/** What every page of this folder does with the session, and what it shows the tests. */

import { createSessionClient } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";

const FEED = "/api/feed";

/** Begin the session before or after the library is installed, as the page's address asks. */
export async function begin(install) {
  const order = new URLSearchParams(location.search);
  if (order.has("last")) start();
  await install();
  if (!order.has("last")) start();
}

function start() {
  const { hash } = location;
  const session = createSessionClient(hash === "#header" ? { tokenTransferMethod: "header" } : {});
  intercept(session);
  window.session = session;
  window.signIn = () => fetch("/login", { method: "POST", body: '{"user":"alice"}' }).then(({ status }) => status);
}

/** The page's own transports, for libraries that watch them. */
export const ways = {
  fetch: () => fetch(FEED).then((response) => response.json()),
  XMLHttpRequest: () =>
    new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      xhr.open("GET", FEED);
      xhr.onload = () => resolve(JSON.parse(xhr.response));
      xhr.onerror = reject;
      xhr.send();
    }),
};

/** Tell the test that the page is ready, and how it makes its calls. */
export function ready(given) {
  window.ways = given;
  document.title = "ready";
}
