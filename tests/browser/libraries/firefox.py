"""Firefox of the machine, by WebDriver BiDi: the little of Playwright's pages that these tests use.

Playwright itself drives a Firefox of its own making only.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.browser.line import PATIENCE

DRIVER = Path(__file__).with_name("firefox.mjs")
LONGEST_LINE = 2**20


class Firefox:
    """The browser. Its process answers each line with one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {0: asyncio.get_running_loop().create_future()}
        self._reading = asyncio.create_task(self._read())

    async def started(self) -> str:
        """Wait for the browser; gives its version."""
        return str(await self._answer(0, 2 * PATIENCE))

    async def call(self, call: str, page: int = 0, **given: Any) -> Any:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(
            json.dumps({"id": number, "page": page, "call": call, "given": given}).encode() + b"\n"
        )
        return await self._answer(number, PATIENCE)

    async def new_page(self, context: Context, url: str) -> FirefoxPage:
        page = next(self._ids)
        await self.call("open", page, context=context.number, url=url)
        return FirefoxPage(context, page)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _answer(self, number: int, seconds: float) -> Any:
        try:
            said = await asyncio.wait_for(self._answers[number], seconds)
        finally:
            del self._answers[number]
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["value"]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if said["id"] in self._answers:
                self._answers[said["id"]].set_result(said)
        for waiting in self._answers.values():
            waiting.set_exception(RuntimeError("Firefox has ended"))


class Context:
    """A browser of its own: its pages share cookies and storage."""

    def __init__(self, firefox: Firefox, number: int) -> None:
        self.firefox = firefox
        self.number = number

    async def new_page(self, url: str) -> FirefoxPage:
        return await self.firefox.new_page(self, url)

    async def cookies(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = await self.firefox.call("cookies", context=self.number)
        return found

    async def close(self) -> None:
        await self.firefox.call("close", context=self.number)


class FirefoxPage:
    """What ``tests.browser.site.Tab`` needs of a page."""

    def __init__(self, context: Context, number: int) -> None:
        self.context = context
        self.number = number

    async def evaluate(self, script: str, arg: Any = None) -> Any:
        return await self.context.firefox.call("evaluate", self.number, script=script, arg=arg)

    async def goto(self, url: str) -> None:
        await self.context.firefox.call("goto", self.number, url=url)

    async def wait_for_function(self, condition: str, *, arg: Any, timeout: float, polling: float) -> None:  # noqa: ASYNC109
        """Wait as Playwright does, in the page."""
        looking = f"""async (arg) => {{
          const condition = {condition};
          const holds = async () => (typeof condition === "function" ? condition(arg) : condition);
          while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, {polling}));
        }}"""
        await asyncio.wait_for(self.evaluate(looking, arg), timeout / 1000)


def firefox_path() -> str:
    path = shutil.which("firefox-esr")
    if path is None:
        pytest.fail("These tests need Firefox: install the package 'firefox-esr' so that it is on the PATH.")
    return path


@asynccontextmanager
async def launched_firefox(packages: Path) -> AsyncIterator[Firefox]:
    """Start Firefox without a window, driven by the package in ``packages``."""
    process = await asyncio.create_subprocess_exec(
        "node",
        DRIVER,
        firefox_path(),
        packages / "here.js",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    firefox = Firefox(process)
    try:
        await firefox.started()
        yield firefox
    finally:
        await firefox.close()
