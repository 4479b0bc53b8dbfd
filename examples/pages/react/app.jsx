/** A feed behind a session. */

import { useCallback, useEffect, useState } from "react";

import { asJson, CALL_EVERY_MS, fetched, USERS } from "../shared/feed.js";
import { useUserId } from "./use-session.js";

export function App({ session }) {
  const user = useUserId(session);
  return user === undefined ? <SignIn session={session} /> : <Feed key={user} session={session} />;
}

function SignIn({ session }) {
  const [problem, setProblem] = useState("");
  const signIn = (user) =>
    fetched(session.fetch("/login", asJson({ user }))).catch((error) => setProblem(error.message));
  return (
    <section className="card">
      <h2>Sign in</h2>
      <p className="soft">This is a demo: there are no passwords.</p>
      <div className="people">
        {USERS.map((user) => (
          <button key={user} data-testid={`sign-in-${user.toLowerCase()}`} onClick={() => signIn(user)}>
            {user}
          </button>
        ))}
      </div>
      <p className="problem" role="alert">{problem}</p>
    </section>
  );
}

function Feed({ session }) {
  const { posts, problem, load } = useFeed(session);
  const [text, setText] = useState("");
  async function write(event) {
    event.preventDefault();
    await fetched(session.fetch("/api/posts", asJson({ text })));
    setText("");
    await load();
  }
  return (
    <section className="card">
      <h2>Home feed</h2>
      <form className="line-form line" onSubmit={write}>
        <input aria-label="Write a post" data-testid="post-text" required maxLength="280" placeholder="What is new?"
          value={text} onChange={(event) => setText(event.target.value)} />
        <button className="primary" data-testid="post">Post</button>
      </form>
      <p className="problem" role="alert" data-testid="problem">{problem}</p>
      <ul className="posts">
        {posts.map((post) => (
          <li key={post.id} data-testid="post-item">
            <span className="avatar" aria-hidden="true">{post.author[0]}</span>
            <div>
              <div className="by"><b>{post.author}</b><span className="soft small">{post.ago}</span></div>
              <p>{post.text}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The posts, asked for again and again while the component is shown. */
function useFeed(session) {
  const [posts, setPosts] = useState([]);
  const [problem, setProblem] = useState("");
  const load = useCallback(async () => {
    try {
      setPosts((await fetched(session.fetch("/getHomeFeed"))).posts);
      setProblem("");
    } catch (error) {
      setProblem(error.message);
    }
  }, [session]);
  useEffect(() => {
    load();
    const timer = setInterval(load, CALL_EVERY_MS);
    return () => clearInterval(timer);
  }, [load]);
  return { posts, problem, load };
}
