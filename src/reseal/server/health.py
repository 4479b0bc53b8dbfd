"""Liveness and readiness probes. Cheap, and without details."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from reseal._async.ports import AsyncSessionStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope
from reseal.server.http.messages import Reply, text_reply

PATIENCE: Final = 1.0
"""Seconds for the store to answer in."""
FRESH_FOR: Final = 0.25
"""Seconds for which a result is cached, so that probes cost the store little."""


class Health:
    """The state of one process."""

    def __init__(self, store: AsyncSessionStore) -> None:
        self.draining = False
        """Whether the process is about to leave."""
        self._store = store
        self._probe: asyncio.Task[bool] | None = None
        self._probed_at = 0.0

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of every reply: while draining, ask clients to close keep-alive connections."""
        return ((b"connection", b"close"),) if self.draining else ()

    async def ready(self) -> Reply:
        """Return whether the store answers in time and the process is not shutting down."""
        if self.draining or not await self._store_answers():
            return text_reply(503, "Not ready")
        return text_reply(200, "Ready")

    async def _store_answers(self) -> bool:
        """Ask the store, once for everybody who asks at the same time."""
        now = asyncio.get_running_loop().time()
        probe = self._probe
        if probe is None or (probe.done() and now - self._probed_at >= FRESH_FOR):
            probe = self._probe = asyncio.ensure_future(self._ask())
            self._probed_at = now
        done, _ = await asyncio.wait({probe}, timeout=PATIENCE)
        return probe in done and probe.result()

    async def _ask(self) -> bool:
        with suppress(StoreUnavailable):
            await self._store.get(Scope(), "-")
            return True
        return False
