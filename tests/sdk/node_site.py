"""An application over one SDK, with the service behind it."""

from __future__ import annotations

import itertools
import json
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.sdk.node_browser import Browser, Reply
from tests.sdk.node_core import API_KEY, PATIENCE, Called, Core, Door
from tests.sdk.node_sdks import NodeSdk
from tests.sdk.npm import npm_folder

T = TypeVar("T")
_APP = Path(__file__).parent / "node_apps" / "app.cjs"
_numbers = itertools.count(1)


def within(seconds: float, ask: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Ask until the answer is enough; give the last answer in any case."""
    until = time.monotonic() + seconds
    while not enough(answer := ask()) and time.monotonic() < until:
        time.sleep(0.05)
    return answer


class Site:
    """A running application. Its SDK knows the service by two addresses."""

    def __init__(
        self, core: Core, sdk: NodeSdk, name: str, session: dict[str, Any] | None = None, **config: Any
    ) -> None:
        """``session``: options of the SDK for its sessions; ``config``: configuration of the service."""
        self.sdk = sdk
        self._core = core
        self.app_id = f"node-{sdk.version.replace('.', '-')}-{name}" if sdk.in_app else "public"
        self._base = {"api_keys": (API_KEY,) if sdk.api_key else ()}
        self._config: dict[str, Any] = {}
        self._admin = httpx.Client(timeout=PATIENCE, verify=False)
        self.doors = (core.door(core.service(**self._base)), core.door(core.service(**self._base)))
        self._configure(config)
        hosts = [
            {"hostname": "127.0.0.1", "port": door.port, "path": f"/appid-{self.app_id}" if sdk.in_app else ""}
            for door in self.doors
        ]
        options = {
            "packages": str(npm_folder("supertokens-node", sdk.version)),
            "version": sdk.version,
            "era": sdk.era,
            "hosts": hosts,
            "refreshPath": sdk.refresh_path,
            "session": session or {},
            **({"apiKey": API_KEY} if sdk.api_key else {}),
        }
        self._process = subprocess.Popen(
            ["node", str(_APP), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port()}", timeout=PATIENCE, verify=False)
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        self._client.close()
        self._admin.close()
        self._end()
        self._core.close(*self.doors)

    def browser(self, mode: str = "cookie") -> Browser:
        return Browser(self._client, self.sdk.refresh_path, mode)

    def user(self) -> str:
        """Make up a user nobody had before."""
        return f"user-{self.sdk.version}-{next(_numbers)}"

    def signed_in(self, user_id: str | None = None, mode: str = "cookie", **body: Any) -> tuple[Browser, Reply]:
        """Give a browser with a new session, and the answer that it got."""
        browser = self.browser(mode)
        body = {"userId": user_id or self.user(), "payload": {"role": "reader"}, "data": {"cart": 1}} | body
        reply = browser.post("/create", body)
        assert reply.refusal is None, reply
        return browser, reply

    @property
    def service(self) -> Any:
        return self.doors[0].service

    @contextmanager
    def listening(self) -> Iterator[list[Called]]:
        """Give the calls that happen inside, in the order of each door."""
        heard: list[Called] = []
        before = [len(door.calls) for door in self.doors]
        yield heard
        for door, known in zip(self.doors, before, strict=True):
            heard += door.calls[known:]

    @contextmanager
    def configured(self, **config: Any) -> Iterator[None]:
        """Change the configuration for a while: of the app, or of the whole service where the SDK cannot name one."""
        before = {name: self._config.get(name) for name in config}
        self._configure(config)
        try:
            yield
        finally:
            self._configure(before)

    @contextmanager
    def with_service(self, **changes: Any) -> Iterator[None]:
        """Put a service with another base configuration behind the doors for a while."""
        service = self._core.service(**self._base | changes)
        with self.doors[0].leading_to(service), self.doors[1].leading_to(service):
            yield

    def _configure(self, config: dict[str, Any]) -> None:
        self._config |= config
        if self.sdk.in_app:
            self._put_app(self.doors[0], config)
            return
        own = {name: value for name, value in self._config.items() if value is not None}
        for door in self.doors:
            door.service = self._core.service(**self._base | own)

    def _put_app(self, door: Door, config: dict[str, Any]) -> None:
        response = self._admin.put(
            f"http://127.0.0.1:{door.port}/recipe/multitenancy/app/v2",
            json={"appId": self.app_id, "coreConfig": config},
            headers={"api-key": API_KEY},
        )
        assert response.json()["status"] == "OK", response.text
        door.calls.pop()

    def _port(self) -> int:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE), "the application does not start"
        return json.loads(self._process.stdout.readline())["port"]

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
