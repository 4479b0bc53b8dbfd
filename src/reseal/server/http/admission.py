"""How many requests a process works on at a time: those in excess are told to come again, which costs next to nothing.

Without a limit, requests wait for longer than their callers do, and the process spends all of its time on answers that
nobody reads any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from reseal.log import LOGGER
from reseal.server.http.exchange import Application
from reseal.server.http.messages import send_reply, text_reply

ALWAYS: Final = ("/healthz", "/readyz", "/metrics", "/kill_list")
"""Ends of paths that are not counted: probes, and calls that only wait."""
LOG_EVERY: Final = 60.0
"""Seconds between two log lines."""
_BUSY: Final = 503
_REPLY: Final = text_reply(_BUSY, "Too many requests at a time, try again", (b"retry-after", b"1"))


class Admission:
    """An ASGI application in front of another. ``most``: requests at a time; 0 is no limit. ``now`` returns seconds."""

    def __init__(
        self,
        application: Application,
        most: int,
        count_refused: Callable[[int], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._most = most
        self._count_refused = count_refused
        self._now = now
        self._running = 0
        self._logged = -LOG_EVERY

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self._most or scope["type"] != "http" or scope["path"].endswith(ALWAYS):
            await self._application(scope, receive, send)
        elif self._running >= self._most:
            self._refuse()
            await send_reply(send, _REPLY)
        else:
            self._running += 1
            try:
                await self._application(scope, receive, send)
            finally:
                self._running -= 1

    def _refuse(self) -> None:
        self._count_refused(_BUSY)
        if (now := self._now()) - self._logged >= LOG_EVERY:
            self._logged = now
            LOGGER.warning("more than %d requests at a time: those in excess are answered 503", self._most)
