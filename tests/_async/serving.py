"""A service in this process behind an httpx transport. Written by hand for async and sync: ASGI is async only."""

from __future__ import annotations

from typing import Any

import httpx

from reseal._async.ports import AsyncStore
from reseal.clock import Clock
from reseal.core.events import EventListener
from reseal.server.app import Service
from reseal.server.config import ServiceSettings

API_KEY = "a-key-of-twenty-characters"


class AsyncServed(httpx.AsyncBaseTransport):
    """Hosts of one service, of which some may be away."""

    def __init__(self, store: AsyncStore, clock: Clock, events: EventListener, **configured: Any) -> None:
        configured = {"event_outbox": "security"} | configured
        settings = ServiceSettings(database_uri="memory:", api_keys=(API_KEY,), **configured)  # type: ignore[arg-type]  # text is accepted
        self._inner = httpx.ASGITransport(Service(settings, store, clock=clock, on_event=events))
        self.requests: list[tuple[str, str]] = []
        self.ids: list[str | None] = []
        """What each request said that it was made for."""
        self.away: set[str] = set()
        self.leaving: set[str] = set()
        self.lose = 0
        """Answers to lose after the service has done its work."""
        self.late = False
        """Whether each call is given the answer to the one before it."""
        self._before: httpx.Response | None = None
        self.instead: tuple[int, str] | None = None
        """A status and a text to answer instead."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.url.host, request.url.path))
        self.ids.append(request.headers.get("x-request-id"))
        if request.url.host in self.away:
            raise httpx.ConnectError("away")
        if self.instead is not None:
            said = request.headers.get("x-request-id", "made-up")
            return httpx.Response(self.instead[0], text=self.instead[1], headers={"x-request-id": said})
        response = await self._inner.handle_async_request(request)
        response = httpx.Response(response.status_code, headers=response.headers, content=await response.aread())
        if self.late:
            assert self._before is not None
            response, self._before = self._before, response
        else:
            self._before = response
        if request.url.host in self.leaving:
            response.headers["connection"] = "close"
        if self.lose:
            self.lose -= 1
            raise httpx.ReadError("lost")
        return response
