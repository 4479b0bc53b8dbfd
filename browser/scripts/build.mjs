/**
 * Builds the files that are served, and their types.
 *
 *   node scripts/build.mjs           build, and copy to the Python package
 *   node scripts/build.mjs --dist    build only
 *   node scripts/build.mjs --check   build elsewhere, and fail if the Python package holds anything else
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { gzipSync } from "fflate";

const HOME = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(HOME, "dist");
const SHIPPED = join(HOME, "..", "src", "reseal", "browser");
const SCRIPTS = {
  "reseal-browser.js": { entry: "index", format: "esm", gzipLimit: 10_000 },
  "reseal-intercept.js": { entry: "intercept", format: "esm", gzipLimit: 5_000 },
  "reseal-dpop.js": { entry: "dpop", format: "esm", gzipLimit: 2_500 },
  "reseal-browser.classic.js": { entry: "classic", format: "iife", gzipLimit: 14_000 },
  "reseal-worker.js": { entry: "worker", format: "esm", gzipLimit: 12_000 },
  "reseal-worker.classic.js": { entry: "worker-classic", format: "iife", gzipLimit: 14_000 },
};
/** For consumers that `require`: in the npm package only, since nobody serves them. */
const COMMONJS = {
  "reseal-browser.cjs": { entry: "index", format: "cjs" },
  "reseal-intercept.cjs": { entry: "intercept", format: "cjs" },
  "reseal-dpop.cjs": { entry: "dpop", format: "cjs" },
  "reseal-worker.cjs": { entry: "worker", format: "cjs" },
  "reseal-browser.classic.cjs": SCRIPTS["reseal-browser.classic.js"],
  "reseal-worker.classic.cjs": SCRIPTS["reseal-worker.classic.js"],
};
/** The modules of each in the order in which a reader needs them. Other modules have no public declarations. */
const TYPES = {
  "reseal-browser.d.ts": ["client", "contract", "errors"],
  "reseal-intercept.d.ts": ["intercept"],
  "reseal-dpop.d.ts": ["dpop"],
  "reseal-worker.d.ts": ["worker", "record"],
};
/** Types of the classic scripts, for whoever imports one for the global that it makes. */
const CLASSIC_TYPES = {
  "reseal-browser.classic.d.ts": `declare global {
  var reseal: typeof import("./reseal-browser.js") & typeof import("./reseal-intercept.js") &
    typeof import("./reseal-dpop.js");
}

export {};
`,
  "reseal-worker.classic.d.ts": "export {};\n",
};
/** What a classic script gives the page: one global with the members that the module exports. */
const GLOBAL = "reseal";

const { version, license } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
const BANNER = `/*! reseal-browser ${version} | ${license} */`;

const mode = process.argv[2] ?? "";
const scratch = mkdtempSync(join(tmpdir(), "reseal-browser-"));
try {
  const output = declarations();
  for (const [name, script] of Object.entries(SCRIPTS)) {
    output[name] = await bundle(script);
    reportSize(name, output[name], script.gzipLimit);
  }
  if (mode === "--check") compare(output);
  else {
    write(DIST, { ...output, ...(await forPackagesOnly(output)) });
    if (mode !== "--dist") write(SHIPPED, output);
  }
} finally {
  rmSync(scratch, { recursive: true });
}

/** One minified file. Nobody can review it, therefore `--check` proves that it comes from these sources. */
async function bundle({ entry, format }) {
  const result = await build({
    entryPoints: [join(HOME, "src", `${entry}.ts`)],
    absWorkingDir: HOME,
    bundle: true,
    minify: true,
    format,
    // As an import of a bundler it is a module, whose variables are nobody's but its own.
    ...(format === "iife" && { globalName: GLOBAL, footer: { js: `globalThis.${GLOBAL}=${GLOBAL};` } }),
    target: "es2021",
    charset: "utf8",
    banner: { js: BANNER },
    legalComments: "none",
    write: false,
  });
  return result.outputFiles[0].text;
}

/** What only the npm package has. */
async function forPackagesOnly(output) {
  const files = { ...CLASSIC_TYPES };
  for (const [name, script] of Object.entries(COMMONJS)) {
    files[name] = await bundle(script);
    const types = name.replace(".cjs", ".d.ts");
    files[name.replace(".cjs", ".d.cts")] = (output[types] ?? files[types]).replace(/("\.\/reseal-\w+)\.js"/g, '$1.cjs"');
  }
  return files;
}

/** Check all types; then join the public declarations of each script into one file, and check that these stand alone. */
function declarations() {
  tsc("--project", HOME, "--emitDeclarationOnly", "--outDir", join(scratch, "modules"));
  const output = {};
  for (const [name, modules] of Object.entries(TYPES)) {
    const parts = modules.map((module) => readFileSync(join(scratch, "modules", `${module}.d.ts`), "utf8"));
    output[name] = `${[BANNER, ...imports(parts, modules), ...parts.map(withoutModuleLines)].join("\n\n")}\n`;
    writeFileSync(join(scratch, name), output[name]);
  }
  const files = Object.keys(TYPES).map((name) => join(scratch, name));
  tsc("--ignoreConfig", "--noEmit", "--strict", "--lib", "ES2022,DOM,DOM.Iterable", "--types", "", ...files);
  return output;
}

/** What a file needs of the modules that are not in it: those of the main file. */
function imports(parts, modules) {
  const needed = parts.flatMap((part) => [...part.matchAll(/^import type (\{.*\}) from "\.\/(.*)\.js";/gm)]);
  const foreign = needed.filter(([, , module]) => !modules.includes(module));
  return foreign.map(([, names]) => `import type ${names} from "./reseal-browser.js";`);
}

/** Without imports from modules and without the heading comment, which speaks of the module. */
function withoutModuleLines(text) {
  return text.replace(/^\/\*\*[^]*?\*\/\n/, "").replace(/^import .*\n/gm, "").trim();
}

function tsc(...options) {
  try {
    execFileSync(join(HOME, "node_modules", ".bin", "tsc"), options, { cwd: HOME, encoding: "utf8" });
  } catch (error) {
    fail(error.stdout || error.message);
  }
}

/** By a compressor that is pinned like everything else: the zlib of each Node.js gives another size. */
function reportSize(name, script, limit) {
  const zipped = gzipSync(new TextEncoder().encode(script), { level: 9, mtime: 0 }).length;
  console.log(`${name}: ${Buffer.byteLength(script)} bytes, ${zipped} gzipped (limit ${limit})`);
  if (zipped >= limit) fail(`${name} has outgrown its limit.`);
}

function compare(output) {
  const stale = Object.keys(output).filter((name) => output[name] !== shipped(name));
  if (stale.length > 0) fail(`Not built from these sources: ${stale.join(", ")}. Run "npm run build" and commit the result.`);
  console.log("The shipped files are up to date.");
}

function shipped(name) {
  try {
    return readFileSync(join(SHIPPED, name), "utf8");
  } catch {
    return undefined;
  }
}

function write(directory, files) {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

function fail(message) {
  rmSync(scratch, { recursive: true, force: true });
  console.error(message);
  process.exit(1);
}
