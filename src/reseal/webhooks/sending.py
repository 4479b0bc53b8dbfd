"""Sending a message over HTTP. Needs httpx (extra ``webhooks``).

The host's name is resolved here and the addresses are checked; then the connection goes to a checked address, so that
the name cannot be made to mean another one in between. Redirects are not followed, and no proxy is used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

import httpx

from reseal.core.webhooks import Endpoint
from reseal.webhooks.addresses import is_public
from reseal.webhooks.answers import Answer, retry_after
from reseal.webhooks.resolving import Resolve, resolve

READ_MOST: Final = 65_536
"""Bytes of an answer that are read, so that the connection can be used again."""


class HttpSender:
    """Sends to the URL of an endpoint, on connections of its own."""

    def __init__(self, endpoint: Endpoint, resolver: Resolve | None = None) -> None:
        self._endpoint = endpoint
        self._url = httpx.URL(endpoint.url)
        self._resolve = resolver or resolve
        # a client would log URLs, whose path may be a secret, and keep cookies
        self._transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(), trust_env=False)

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                return await self._send(body, headers, now)
        except TimeoutError:
            return Answer(problem=f"no answer within {self._endpoint.timeout:g} seconds")
        except (httpx.HTTPError, OSError) as error:
            return Answer(problem=f"not reached ({type(error).__name__})")

    async def close(self) -> None:
        await self._transport.aclose()

    async def _send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        port = self._url.port or {"https": 443}.get(self._url.scheme, 80)
        found = await self._resolve(self._url.host, port)
        allowed = [each for each in found if self._endpoint.allow_private_addresses or is_public(each)]
        if not allowed:
            return Answer(problem="its host has no public address; allow_private_addresses allows others")
        for address in allowed[:-1]:
            try:
                return await self._post(address, body, headers, now)
            except httpx.ConnectError:
                continue  # the next address may be reached
        return await self._post(allowed[-1], body, headers, now)

    async def _post(self, address: str, body: bytes, headers: Mapping[str, str], now: int) -> Answer:
        own = {
            "host": self._url.netloc.decode(),
            "content-type": "application/json",
            "user-agent": "reseal-webhooks",
            "accept-encoding": "identity",
        }
        url, options = self._url.copy_with(host=address), {"sni_hostname": self._url.raw_host.decode()}
        request = httpx.Request("POST", url, content=body, headers=own | dict(headers), extensions=options)
        response = await self._transport.handle_async_request(request)
        async with aclosing(response):
            beginning = await _beginning(response)
        pause = retry_after(response.headers.get("retry-after"), now)
        return Answer(response.status_code, pause, body=beginning if response.is_error else b"")


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > READ_MOST:
            break
    return body[:READ_MOST]
