/**
 * Firefox, driven by lines: each line that comes in is `{ id, page, call, given }`, each that goes out `{ id, value }` or
 * `{ id, error }`. It ends with its input.
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [executablePath, packages] = process.argv.slice(2);
const { default: puppeteer } = await import(createRequire(packages).resolve("puppeteer-core"));
const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 120_000, protocolTimeout: 120_000 });
const contexts = new Map();
const pages = new Map();

const calls = {
  /** A new page, with the cookies of all pages of the same context. */
  async open(name, { context, url }) {
    if (!contexts.has(context)) contexts.set(context, await browser.createBrowserContext());
    pages.set(name, await contexts.get(context).newPage());
    await pages.get(name).goto(url);
  },
  goto: (name, { url }) => pages.get(name).goto(url).then(() => undefined),
  /** The value of an expression, or of a function of one argument. */
  evaluate: (name, { script, arg }) =>
    pages.get(name).evaluate(`(async (value) => (typeof value === "function" ? value(${JSON.stringify(arg)}) : value))(${script})`),
  cookies: async (_, { context }) => (await contexts.get(context).cookies()).map(({ name, value }) => ({ name, value })),
  async close(_, { context }) {
    await contexts.get(context).close();
    contexts.delete(context);
  },
};

async function answer(line) {
  const { id, page, call, given } = JSON.parse(line);
  const said = await calls[call](page, given).then(
    (value) => ({ id, value: value ?? null }),
    (error) => ({ id, error: String(error) }),
  );
  console.log(JSON.stringify(said));
}

const lines = createInterface({ input: process.stdin });
lines.on("line", answer);
lines.on("close", () => browser.close());
console.log(JSON.stringify({ id: 0, value: await browser.version() }));
