import { QueryClient } from "@tanstack/query-core";

import { begin, ready } from "./shared.js";

await begin(() => undefined);
const queries = new QueryClient({ defaultOptions: { queries: { retry: 3, retryDelay: 1, gcTime: 0 } } });

async function feed() {
  const response = await session.fetch("/api/feed");
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

let count = 0;
const query = () => queries.fetchQuery({ queryKey: [(count += 1)], queryFn: feed });
window.together = (number) => Promise.all(Array.from({ length: number }, () => query().then(({ user }) => user, ({ message }) => message)));
ready({ query });
