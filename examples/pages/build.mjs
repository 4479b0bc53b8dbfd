/**
 * Builds one script for each page. FastAPI serves the pages themselves.
 *
 *   node build.mjs [FOLDER]     FOLDER is emptied first; without one it is dist
 */

import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SDK = "../../src/reseal/browser";
const folder = process.argv[2] ?? `${HERE}dist`;

const PAGES = {
  axios: "axios/main.js",
  htmx: "htmx/main.js",
  react: "react/main.jsx",
  header: "header/main.js",
  worker: "worker/main.js",
};
/** It is registered as a classic script: all in one file, without imports. */
const WORKER = { "session-worker": "worker/session-worker.js" };
const OPTIONS = {
  absWorkingDir: HERE,
  // Elsewhere the SDK comes from npm or the Python package. Here it lies next door.
  alias: {
    "reseal-browser": `${SDK}/reseal-browser.js`,
    "reseal-browser/intercept": `${SDK}/reseal-intercept.js`,
    "reseal-browser/worker": `${SDK}/reseal-worker.js`,
  },
  bundle: true,
  target: "es2022",
  minify: true,
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  outdir: folder,
  logLevel: "warning",
};

rmSync(folder, { recursive: true, force: true });
await build({ ...OPTIONS, entryPoints: PAGES, format: "esm", splitting: true, chunkNames: "shared-[hash]" });
await build({ ...OPTIONS, entryPoints: WORKER, format: "iife" });
