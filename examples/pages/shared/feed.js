/** The feed as it looks on each page. How it is asked for is the page's own matter. */

export const USERS = ["Amara", "Jonas", "Mei"];
export const CALL_EVERY_MS = 1500;

/** Bind the feed in the markup to three calls; each gives a promise, which rejects if the call did not go well. */
export function showFeed(session, { signIn, load, write }) {
  const problem = document.getElementById("problem");
  const text = document.getElementById("text");
  let isLoading = false;

  /** Run a call and show its errors, unless the session's end explains them. */
  async function attempt(call) {
    try {
      await call();
      problem.textContent = "";
    } catch (error) {
      if (session.getUserId() !== undefined) problem.textContent = `That did not work: ${error.message}`;
    }
  }

  async function refresh() {
    if (isLoading || session.getUserId() === undefined) return;
    isLoading = true;
    await attempt(async () => drawPosts(await load()));
    isLoading = false;
  }

  for (const user of USERS) {
    const button = element("button", user);
    button.dataset.testid = `sign-in-${user.toLowerCase()}`;
    button.addEventListener("click", () => attempt(() => signIn(user)));
    document.getElementById("people").append(button);
  }
  document.getElementById("compose").addEventListener("submit", async (event) => {
    event.preventDefault();
    await attempt(() => write(text.value));
    text.value = "";
    await refresh();
  });
  session.on("SESSION_CREATED", refresh);
  setInterval(refresh, CALL_EVERY_MS);
  void refresh();
}

/** The body and headers of a POST that sends JSON. */
export function asJson(content) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content) };
}

/** The JSON of an answer. Rejects if the status is not one of success, as with axios. */
export async function fetched(answer) {
  const response = await answer;
  if (!response.ok) throw new Error(`the server answered with status ${response.status}`);
  return response.json();
}

function drawPosts(posts) {
  document.getElementById("posts").replaceChildren(
    ...posts.map(({ author, text, ago }) => {
      const face = element("span.avatar", author[0]);
      face.setAttribute("aria-hidden", "true");
      const by = element("div.by", element("b", author), element("span.soft.small", ago));
      const post = element("li", face, element("div", by, element("p", text)));
      post.dataset.testid = "post-item";
      return post;
    }),
  );
}

/** An element; `name` may carry classes, as in "span.soft". */
export function element(name, ...content) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  made.append(...content);
  return made;
}
