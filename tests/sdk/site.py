"""An application over one SDK, with the service behind it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from reseal.core.events import EventName
from tests.sdk.browser import Browser, Reply
from tests.sdk.core import API_KEY, Called, Core, Door
from tests.sdk.process import HOST, PATIENCE, Port, Process
from tests.sdk.sdks import Sdk

_numbers = itertools.count(1)


class Site:
    """A running application. Its SDK knows the service by two addresses."""

    def __init__(self, core: Core, sdk: Sdk, folder: Path, *, order: dict[str, Any], **config: Any) -> None:
        """``order``: what the application is told besides; ``config``: configuration of the service."""
        self.sdk = sdk
        self._config = {"api_keys": (API_KEY,) if sdk.api_key else (), **config}
        self.app_id = f"site-{next(_numbers)}" if sdk.in_app else "public"
        self._undone = ExitStack()
        with ExitStack() as undone:
            self._core = core
            if not sdk.in_app:  # it has a service for itself alone
                self._core = Core(folder, core.clock)
                undone.callback(self._core.stop)
            service = self._core.service(**self._config)
            self.doors = (Door(self._core, service), Door(self._core, service))
            undone.callback(self._core.close, *self.doors)
            self._make_app()
            assert self.published_keys()  # made now: it may take longer than some SDKs wait for an answer
            self.doors[0].calls.clear()
            port = Port()
            undone.callback(port.close)
            command = sdk.command({"port": port.number, "hosts": self._hosts(), **self._key(), **order})
            self._process = Process(command, port, folder, sdk.environ(core.clock.file))
            undone.callback(self._process.stop)
            self._client = undone.enter_context(
                httpx.Client(
                    base_url=f"http://{HOST}:{port.number}",
                    timeout=PATIENCE,
                    verify=False,
                    limits=httpx.Limits(max_keepalive_connections=0),  # or one is taken up just when the server ends it
                )
            )
            self._undone = undone.pop_all()

    def stop(self) -> None:
        self._undone.close()

    def log(self) -> str:
        """Give what the application has printed."""
        return self._process.output()

    def browser(self, mode: str = "cookie") -> Browser:
        return Browser(self._client, self._core.clock, self.sdk.refresh_path, mode)

    def user(self) -> str:
        """Make up a user nobody had before."""
        return f"user-{next(_numbers)}"

    def signed_in(self, user_id: str | None = None, mode: str = "cookie", **body: Any) -> tuple[Browser, Reply]:
        """Give a browser with a new session, and the answer that it got."""
        browser = self.browser(mode)
        body = {"userId": user_id or self.user(), "payload": {"role": "reader"}, "data": {"cart": 1}} | body
        reply = browser.post("/create", body)
        assert reply.refusal is None, f"{reply}\n{self.log()[-5000:]}"
        return browser, reply

    def events(self, handle: str) -> list[EventName]:
        """Name what the service has reported of a session."""
        return [event.name for event in self._core.events if event.session_handle == handle]

    def rotate_keys(self) -> None:
        """Publish a new signing key; it signs a minute later."""
        self._core.rotate_keys(self.doors[0].service, self.app_id)

    def published_keys(self) -> list[dict[str, str]]:
        """Give the JWKs of the service, as anybody can read them."""
        found = httpx.get(f"{self._addresses()[0]}/.well-known/jwks.json", timeout=PATIENCE, verify=False)
        keys: list[dict[str, str]] = found.json()["keys"]
        return keys

    @contextmanager
    def listening(self) -> Iterator[list[Called]]:
        """Give the calls that happen inside, in the order of each door."""
        heard: list[Called] = []
        before = [len(door.calls) for door in self.doors]
        yield heard
        for door, known in zip(self.doors, before, strict=True):
            heard += door.calls[known:]

    @contextmanager
    def with_service(self, **changes: Any) -> Iterator[None]:
        """Put a service with another configuration behind the doors for a while."""
        service = self._core.service(**self._config | changes)
        with self.doors[0].leading_to(service), self.doors[1].leading_to(service):
            yield

    def _make_app(self) -> None:
        if not self.sdk.in_app:
            return
        address = f"http://{HOST}:{self.doors[0].port.number}/recipe/multitenancy/app/v2"
        app, key = {"appId": self.app_id}, {"api-key": API_KEY}
        response = httpx.put(address, json=app, headers=key, timeout=PATIENCE, verify=False)
        assert response.json()["status"] == "OK", response.text

    def _addresses(self) -> list[str]:
        return ["http://{hostname}:{port}{path}".format(**host) for host in self._hosts()]

    def _hosts(self) -> list[dict[str, Any]]:
        path = f"/appid-{self.app_id}" if self.sdk.in_app else ""
        return [{"hostname": HOST, "port": door.port.number, "path": path} for door in self.doors]

    def _key(self) -> dict[str, str]:
        return {"apiKey": API_KEY} if self.sdk.api_key else {}
