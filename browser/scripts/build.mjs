/**
 * Builds the one file that is served, and its types.
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
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const HOME = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(HOME, "dist");
const SHIPPED = join(HOME, "..", "src", "reseal", "browser");
const SCRIPT = "reseal-browser.js";
const TYPES = "reseal-browser.d.ts";
const GZIP_LIMIT = 6_000;
/** In the order in which a reader of the types needs them. Other modules have no public declarations. */
const PUBLIC_MODULES = ["client", "contract", "errors"];

const { version, license } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
const BANNER = `/*! reseal-browser ${version} | ${license} */`;

const mode = process.argv[2] ?? "";
const scratch = mkdtempSync(join(tmpdir(), "reseal-browser-"));
try {
  const output = { [SCRIPT]: await bundle(), [TYPES]: declarations() };
  reportSize(output[SCRIPT]);
  if (mode === "--check") compare(output);
  else write(output, mode === "--dist" ? [DIST] : [DIST, SHIPPED]);
} finally {
  rmSync(scratch, { recursive: true });
}

/** One minified module. Nobody can review it, therefore `--check` proves that it comes from these sources. */
async function bundle() {
  const result = await build({
    entryPoints: [join(HOME, "src", "index.ts")],
    absWorkingDir: HOME,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2021",
    charset: "utf8",
    banner: { js: BANNER },
    legalComments: "none",
    write: false,
  });
  return result.outputFiles[0].text;
}

/** Check all types; then join the public declarations into one file, and check that it stands alone. */
function declarations() {
  tsc("--project", HOME, "--emitDeclarationOnly", "--outDir", scratch);
  const parts = PUBLIC_MODULES.map((name) => readFileSync(join(scratch, `${name}.d.ts`), "utf8"));
  const joined = `${[BANNER, ...parts.map(withoutModuleLines)].join("\n\n")}\n`;
  const alone = join(scratch, TYPES);
  writeFileSync(alone, joined);
  tsc("--ignoreConfig", "--noEmit", "--strict", "--lib", "ES2022,DOM,DOM.Iterable", "--types", "", alone);
  return joined;
}

/** Without imports from sibling modules and without the heading comment, which speaks of the module. */
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

function reportSize(script) {
  const zipped = gzipSync(script, { level: 9 }).length;
  console.log(`${SCRIPT}: ${Buffer.byteLength(script)} bytes, ${zipped} gzipped (limit ${GZIP_LIMIT})`);
  if (zipped >= GZIP_LIMIT) fail(`${SCRIPT} has outgrown its limit.`);
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

function write(output, directories) {
  for (const directory of directories) {
    mkdirSync(directory, { recursive: true });
    for (const [name, text] of Object.entries(output)) writeFileSync(join(directory, name), text);
  }
}

function fail(message) {
  rmSync(scratch, { recursive: true, force: true });
  console.error(message);
  process.exit(1);
}
