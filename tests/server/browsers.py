"""Sessions that are refreshed again and again, through a service in a process of its own."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

KEY = "canary-0123456789-abcdef"
HEADERS = {"cdi-version": "5.4", "api-key": KEY}


class Browser:
    """A session that is refreshed again and again, each time on a connection that the client chooses."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._token = ""
        self.seen = Counter[str]()

    async def begin(self) -> None:
        body = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
        reply = await self._client.post("/recipe/session", json=body | {"useDynamicSigningKey": True})
        self._token = reply.json()["refreshToken"]["token"]

    async def refresh(self, client: httpx.AsyncClient | None = None) -> None:
        body = {"refreshToken": self._token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
        try:
            reply = await (client or self._client).post("/recipe/session/refresh", json=body)
        except httpx.TransportError as error:
            self.seen[type(error).__name__] += 1
            return
        is_fine = reply.status_code == 200 and reply.json()["status"] == "OK"
        self.seen["fine" if is_fine else f"{reply.status_code} {reply.text}"] += 1
        if is_fine:
            self._token = reply.json()["refreshToken"]["token"]


async def browsers(client: httpx.AsyncClient, count: int) -> list[Browser]:
    made = [Browser(client) for _ in range(count)]
    await asyncio.gather(*(browser.begin() for browser in made))
    return made
