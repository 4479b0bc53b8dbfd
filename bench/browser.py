"""The cost of a session to a page, against `supertokens-website` in one Chromium: time per call and bytes to load.

python -m bench.browser [--rounds 30]

Both SDKs run in the same page, signed in to the same session of a server on loopback. Needs what ``./run test``
installs. First the network below them is a function that answers at once, so that only the wrapper's own work is left;
then it is the real one. The ratios are the claim.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from playwright.async_api import Page, async_playwright

from bench.measure import difference, median, micro, print_machine, ratio
from tests.browser.published.packages import ESBUILD, HERE
from tests.browser.published.shop import PATHS, opened_shop
from tests.browser.site import FEED
from tests.support.packages import npm_packages

VERSION = "20.1.6"
WITHOUT_NETWORK, ON_LOOPBACK = 400, 60
"""Calls in one turn of a variant."""
PREPARE = """async (paths) => {
  const { fetch: network, XMLHttpRequest: Bare } = window;
  let below = network.bind(window);
  const bare = (...given) => below(...given);

  window.fetch = bare;
  SuperTokens.init({ apiDomain: location.origin, apiBasePath: "/auth", tokenTransferMethod: "cookie" });
  const [theirs, Theirs] = [window.fetch, window.XMLHttpRequest];
  await theirs("/login", { method: "POST", body: '{"user": "alice"}' });

  [window.fetch, window.XMLHttpRequest] = [bare, Bare];
  const session = reseal.createSessionClient(paths);
  reseal.intercept(session);
  const [ours, Ours] = [window.fetch, window.XMLHttpRequest];

  const answer = async () => new Response("{}", { status: 200 });
  const byFetch = (fetch) => async (path) => (await fetch(path)).text();
  const byXhr = (Request) => (path) => new Promise((resolve, reject) => {
    const xhr = new Request();
    xhr.open("GET", path);
    xhr.onload = () => (xhr.status === 200 ? resolve(xhr.responseText) : reject(new Error(`status ${xhr.status}`)));
    xhr.onerror = () => reject(new Error("no answer"));
    xhr.send();
  });
  const variants = {
    bare: byFetch(bare), reseal: byFetch(ours), website: byFetch(theirs),
    "bare xhr": byXhr(Bare), "reseal xhr": byXhr(Ours), "website xhr": byXhr(Theirs),
  };
  window.run = async (name, path, calls, isReal) => {
    below = isReal ? network.bind(window) : answer;
    const began = performance.now();
    for (let call = 0; call < calls; call += 1) await variants[name](path);
    return (performance.now() - began) / calls / 1000;
  };
  return [session.getUserId(), await SuperTokens.doesSessionExist()];
}"""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print_machine()
    with tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder:
        website = _minified(Path(folder))
        async with opened_shop(Path(folder)) as shop:
            await _compare(shop.origin, website, rounds)
    _report_sizes(website)


async def _compare(origin: str, website: str, rounds: int) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        print(f"Chromium {browser.version}, supertokens-website {VERSION}, {rounds} rounds")
        page = await browser.new_page()
        await page.goto(f"{origin}/openapi.json")
        for script in (website, _shipped("reseal-browser.classic.js")):
            await page.add_script_tag(content=script)
        paths = {"refreshPath": PATHS["refresh_api_path"], "signOutPath": PATHS["signout_api_path"]}
        assert await page.evaluate(PREPARE, paths) == ["alice", True]
        names = ["bare", "reseal", "website"]
        at_once = await _rounds(page, names, WITHOUT_NETWORK, rounds, real=False)
        _report("fetch, answered at once", at_once)
        _report_added(*at_once.values())
        _report("fetch, over loopback", await _rounds(page, names, ON_LOOPBACK, rounds, real=True))
        requests = [f"{name} xhr" for name in names]
        _report("XMLHttpRequest, over loopback", await _rounds(page, requests, ON_LOOPBACK, rounds, real=True))
        await browser.close()


async def _rounds(page: Page, names: list[str], calls: int, rounds: int, *, real: bool) -> dict[str, list[float]]:
    """Run the variants in turns; the first round warms up. Returns seconds per call."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    order = list(names)
    for _ in range(rounds + 1):
        for name in order:
            script = "([name, path, calls, real]) => run(name, path, calls, real)"
            seconds[name].append(await page.evaluate(script, [name, FEED, calls, real]))
        order.append(order.pop(0))
    return {name: each[1:] for name, each in seconds.items()}


def _report(title: str, seconds: dict[str, list[float]]) -> None:
    bare = next(iter(seconds.values()))
    print(f"\n{title:<36}median of a call   added   against the bare call")
    for name, each in seconds.items():
        print(f"  {name:<34}{micro(median(each))}  {micro(difference(each, bare))}   {ratio(each, bare):6.2f} ×")


def _report_added(bare: list[float], ours: list[float], theirs: list[float]) -> None:
    added = [[mine - least for mine, least in zip(each, bare, strict=True)] for each in (ours, theirs)]
    print(f"  time added by reseal, against that added by website: {ratio(*added):.2f} ×")


def _report_sizes(website: str) -> None:
    print("\nbytes, minified                        raw    gzipped")
    both = "reseal-browser.classic.js"
    for name, scripts in {
        "reseal-browser.js": ["reseal-browser.js"],
        "with reseal-intercept.js": ["reseal-browser.js", "reseal-intercept.js"],
        both: [both],
    }.items():
        _report_size(name, map(_shipped, scripts))
    _report_size(f"supertokens-website {VERSION}", [website])


def _report_size(name: str, scripts: Iterable[str]) -> None:
    texts = [script.encode() for script in scripts]
    raw, zipped = sum(map(len, texts)), sum(len(gzip.compress(text, 9)) for text in texts)
    print(f"  {name:<34}{raw:8} {zipped:9}")


def _shipped(name: str) -> str:
    return files("reseal").joinpath("browser", name).read_text("utf-8")


def _minified(folder: Path) -> str:
    """Bundle the published package as a page's build does."""
    entry = folder / "entry.js"
    entry.write_text(f'import SuperTokens from "website-{VERSION}";\nwindow.SuperTokens = SuperTokens;\n')
    options = ["--bundle", "--minify", "--format=iife", "--target=es2021", '--define:process={"env":{}}']
    where = {**os.environ, "NODE_PATH": str(npm_packages("supertokens-website", HERE) / "node_modules")}
    made = subprocess.run([ESBUILD, entry, *options], env=where, capture_output=True, text=True, check=True)
    return made.stdout


if __name__ == "__main__":
    asyncio.run(main())
