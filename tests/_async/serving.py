"""A service in this process behind an httpx transport. Written by hand in either colour: ASGI has only one."""

from __future__ import annotations

import httpx

from reseal.server.app import Service
from reseal.server.config import ServiceSettings

API_KEY = "a-key-of-twenty-characters"


class AsyncServed(httpx.AsyncBaseTransport):
    """Hosts of one service, of which some may be away."""

    def __init__(self, store, clock, events):
        settings = ServiceSettings(database_uri="memory:", api_keys=(API_KEY,))
        self._inner = httpx.ASGITransport(Service(settings, store, clock=clock, on_event=events))
        self.requests = []
        self.away = set()
        self.lose = 0
        """Answers to lose after the service has done its work."""
        self.instead = None
        """A status and a text to answer instead."""

    async def handle_async_request(self, request):
        self.requests.append((request.url.host, request.url.path))
        if request.url.host in self.away:
            raise httpx.ConnectError("away")
        if self.instead is not None:
            return httpx.Response(self.instead[0], text=self.instead[1])
        response = await self._inner.handle_async_request(request)
        if self.lose:
            self.lose -= 1
            raise httpx.ReadError("lost")
        return response
