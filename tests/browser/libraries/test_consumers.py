"""Projects that install the archive of the browser SDK: in TypeScript, in CommonJS, in a bundle, without a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import OpenContext
from tests.browser.libraries.project import Project
from tests.browser.site import FEED, Site, until

CONSUMER = """
import { createSessionClient, type SessionClient, SessionRefreshError } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";
import { createSessionResponder } from "reseal-browser/worker";
import "reseal-browser/classic";

const session: SessionClient = createSessionClient();
const stop: () => void = intercept(session);
const same: typeof createSessionClient = reseal.createSessionClient;
stop();
session.doesSessionExist().then((exists: boolean) =>
  console.log(exists, typeof same, typeof createSessionResponder, typeof SessionRefreshError),
);
"""
SAYS = "false function function function"
RESOLUTIONS = {
    "node10": ("consumer.ts", ["--module", "commonjs"]),
    "node16": ("consumer.cts", ["--module", "node16"]),
    "node16-modules": ("consumer.mts", ["--module", "node16"]),
    "bundler": ("consumer.ts", ["--module", "es2022"]),
}
STRICT = ["--strict", "--target", "es2022", "--lib", "es2022,dom"]

PAGE = """
import { createSessionClient } from "reseal-browser";
import { intercept } from "reseal-browser/intercept";
import { createSessionResponder } from "reseal-browser/worker";
import "reseal-browser/classic";

window.session = createSessionClient();
intercept(session);
window.parts = [createSessionResponder, reseal.createSessionClient, reseal.intercept].map((part) => typeof part);
window.signIn = () => fetch("/login", { method: "POST", body: '{"user":"alice"}' }).then(({ status }) => status);
window.feed = () => fetch("/api/feed").then((response) => response.json()).then(({ user }) => user);
document.title = "ready";
"""
WEBPACK = """
const webpack = require("webpack");
const [entry, path] = process.argv.slice(2);
const output = { path, filename: "webpack.js" };
webpack({ mode: "production", entry, output, context: __dirname }, (error, stats) => {
  if (error || stats.hasErrors()) throw error ?? new Error(stats.toString());
});
"""
JEST_LIKE = """
const { readFileSync } = require("node:fs");
const vm = require("node:vm");

const { AbortController, Headers, Request, Response, URL, fetch, setTimeout, clearTimeout } = globalThis;
const page = vm.createContext({ AbortController, Headers, Request, Response, URL, fetch, setTimeout, clearTimeout });
function load(name) {
  const module = { exports: {} };
  const text = readFileSync(require.resolve(name), "utf8");
  vm.runInContext(`(function (exports, require, module) {${text}\\n})`, page)(module.exports, load, module);
  return module.exports;
}
const session = load("reseal-browser").createSessionClient();
const stop = load("reseal-browser/intercept").intercept(session);
stop();
session.doesSessionExist().then((exists) => console.log(exists, session.getUserId()));
"""


@pytest.mark.parametrize("name", RESOLUTIONS)
def test_typescript_finds_the_types_and_what_it_compiles_runs(project: Project, name: str) -> None:
    file, options = RESOLUTIONS[name]
    source = project.write(file, CONSUMER)
    resolution = name.partition("-")[0]
    tsc = project.packages / "typescript" / "bin" / "tsc"
    output = project.folder / f"compiled-{name}"
    project.run("node", tsc, *STRICT, *options, "--moduleResolution", resolution, "--outDir", output, source)
    (compiled,) = output.iterdir()
    if name == "bundler":
        project.bundle({"run": compiled}, output, "--platform=node", "--out-extension:.js=.mjs")
        compiled = output / "run.mjs"
    assert project.node(compiled) == SAYS


def test_an_environment_without_a_window_can_load_it_as_a_test_runner_does(project: Project) -> None:
    assert project.node(project.write("jest-like.cjs", JEST_LIKE)) == "false undefined"


def bundle_with_esbuild(project: Project, entry: Path, output: Path) -> None:
    project.bundle({"esbuild": entry}, output, "--minify")


def bundle_with_rollup(project: Project, entry: Path, output: Path) -> None:
    rollup = project.packages / "rollup" / "dist" / "bin" / "rollup"
    resolve = project.packages / "@rollup" / "plugin-node-resolve"
    project.run("node", rollup, entry, "--silent", "--failAfterWarnings", "-p", resolve, "-o", output / "rollup.js")


def bundle_with_webpack(project: Project, entry: Path, output: Path) -> None:
    project.run("node", project.write("webpack.cjs", WEBPACK), entry, output)


BUNDLERS = {"esbuild": bundle_with_esbuild, "rollup": bundle_with_rollup, "webpack": bundle_with_webpack}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", BUNDLERS)
async def test_a_bundle_is_whole_and_its_page_refreshes(
    project: Project, scripts: Path, shared_site: Site, open_context: OpenContext, name: str
) -> None:
    BUNDLERS[name](project, project.write("page.js", PAGE), scripts)
    page = await (await open_context()).new_page()
    await page.goto(f"{shared_site.origin}/with/{name}")
    await until(page, "document.title === 'ready'")
    assert await page.evaluate("parts") == ["function"] * 3
    assert await page.evaluate("signIn()") == 200
    shared_site.expire()
    shared_site.line.forget()
    assert await page.evaluate("feed()") == "alice"
    assert [each.path for each in shared_site.line.passed] == [FEED, shared_site.refresh_path, FEED]
