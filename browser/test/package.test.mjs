/** What a project gets that installs the package, whichever way it imports. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { build } from "esbuild";

const HOME = fileURLToPath(new URL("..", import.meta.url));
const PROJECT = mkdtempSync(join(tmpdir(), "reseal-project-"));
const { version, exports, typesVersions } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
mkdirSync(join(PROJECT, "node_modules"));
symlinkSync(HOME, join(PROJECT, "node_modules", "reseal-browser"));
after(() => rmSync(PROJECT, { recursive: true }));

function write(name, text) {
  writeFileSync(join(PROJECT, name), text);
  return join(PROJECT, name);
}

/** Run a file of the project in a process of its own; what it prints. It must end by itself. */
async function run(name, text) {
  const { stdout } = await promisify(execFile)(process.execPath, ["--preserve-symlinks", write(name, text)], { cwd: PROJECT });
  return stdout.trim();
}

test("a CommonJS project gets the same members as one of modules", async () => {
  const parts = ["reseal-browser", "reseal-browser/intercept", "reseal-browser/dpop", "reseal-browser/worker"];
  const names = `Object.keys(part).filter((name) => name !== "default" && name !== "module.exports").sort()`;
  const required = await run("a.cjs", `for (const part of ${JSON.stringify(parts)}.map(require)) console.log(${names}.join())`);
  const imported = await run(
    "a.mjs",
    `for (const name of ${JSON.stringify(parts)}) { const part = await import(name); console.log(${names}.join()); }`,
  );
  assert.equal(required, imported);
  assert.match(required, /createSessionClient.*\nintercept\ndpop\ncreateSessionResponder,startSessionWorker/);
  assert.equal(await run("b.cjs", 'console.log(require("reseal-browser/package.json").version)'), version);
});

const PAGE = `
import { createSessionClient, type SessionClient } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";
import { dpop } from "reseal-browser/dpop";
import { startSessionWorker } from "reseal-browser/worker";
import "reseal-browser/classic";
const client: SessionClient = createSessionClient();
const stop: () => void = intercept(client);
const same: typeof createSessionClient = reseal.createSessionClient;
createSessionClient({ tokenTransferMethod: "header", dpop });
const alike: typeof dpop = reseal.dpop;
startSessionWorker({ dpop });
export { stop, same, alike };
`;

for (const [name, ...options] of [
  ["page.mts", "--module", "node16"],
  ["page.cts", "--module", "node16"],
  ["page.ts", "--module", "preserve", "--moduleResolution", "bundler"],
]) {
  test(`TypeScript finds the types of every part from ${name} (${options.slice(-1)})`, async () => {
    const strict = ["--ignoreConfig", "--noEmit", "--strict", "--lib", "ES2022,DOM", "--types", "", ...options];
    await promisify(execFile)(join(HOME, "node_modules", ".bin", "tsc"), [...strict, write(name, PAGE)], { cwd: PROJECT });
  });
}

test("TypeScript that knows no exports finds the types of every part as well", () => {
  for (const part of Object.keys(exports).filter((name) => name !== "." && name !== "./package.json")) {
    const [file] = typesVersions["*"][part.slice(2)];
    assert.ok(existsSync(join(HOME, file)), part);
  }
});

test("a bundler keeps the script that is imported for its global", async () => {
  write("entry.js", 'import "reseal-browser/classic";\nconsole.log(typeof globalThis.reseal.createSessionClient, typeof reseal.intercept);');
  await build({ entryPoints: [join(PROJECT, "entry.js")], bundle: true, format: "esm", outfile: join(PROJECT, "out.mjs"), logLevel: "error" });
  assert.equal(await run("run.mjs", 'import "./out.mjs"'), "function function");
});

test("on a server a client can be made by whichever module, does nothing and lets the process end", async () => {
  const script = `
    import { createSessionClient } from "reseal-browser";
    import { intercept } from "reseal-browser/intercept";
    const before = globalThis.fetch;
    const environment = { storage: () => sessionStorage };
    for (const options of [{}, { tokenTransferMethod: "header", environment, apiDomain: "https://api.example" }]) {
      const session = createSessionClient(options);
      const stop = intercept(session);
      const undo = session.on("SIGN_OUT", () => undefined);
      const told = [await session.doesSessionExist(), session.getUserId(), session.getAccessTokenPayload()];
      console.log(JSON.stringify([told, await session.attemptRefreshingSession(), await session.signOut()]));
      console.log(await (await session.fetch("data:,plain")).text(), globalThis.fetch === before, globalThis.XMLHttpRequest);
      for (const end of [undo, stop, session.close]) end();
    }`;
  const line = '[[false,null,null],false,null]\nplain true undefined';
  assert.equal(await run("server.mjs", script), `${line}\n${line}`);
});

test("a host like React Native, with a window and no page in it, has a session in headers", async () => {
  const script = `
    globalThis.window = globalThis;
    Object.defineProperty(globalThis, "navigator", { value: { product: "ReactNative" }, configurable: true });
    for (const name of ["BroadcastChannel", "addEventListener", "crypto"]) {
      Object.defineProperty(globalThis, name, { value: undefined, configurable: true });
    }
    const { createSessionClient } = await import("reseal-browser");
    const sent = [];
    globalThis.fetch = async (url, { headers }) => {
      sent.push([url, headers.get("authorization"), headers.get("idempotency-key")]);
      const isRefresh = url.endsWith("/session/refresh");
      const tokens = { "front-token": btoa('{"uid":"ada"}'), "st-access-token": isRefresh ? "b" : "a", "st-refresh-token": "r" };
      if (url.endsWith("/login") || isRefresh) return new Response("{}", { headers: tokens });
      return new Response("{}", { status: sent.at(-1)[1] === "Bearer b" ? 200 : 401 });
    };
    const kept = new Map();
    const storage = () => ({
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, text) => kept.set(name, text),
      removeItem: (name) => kept.delete(name),
    });
    const apiDomain = "https://api.example";
    const session = createSessionClient({ apiDomain, tokenTransferMethod: "header", environment: { storage } });
    await session.fetch("/login", { method: "POST" });
    const { status } = await session.fetch(apiDomain + "/feed");
    console.log(status, session.getUserId(), kept.get("st-access-token"), JSON.stringify(sent.map(([url, token, key]) => [url.slice(19), token, key])));
    try {
      createSessionClient({ tokenTransferMethod: "header" });
    } catch (error) {
      console.log(error.message);
    }`;
  const sent = [["/login", null, null], ["/feed", "Bearer a", null], ["/session/refresh", "Bearer r", null], ["/feed", "Bearer b", null]];
  const expected = `200 ada b ${JSON.stringify(sent)}\napiDomain is needed where pages have no address`;
  assert.equal(await run("native.mjs", script), expected);
});
