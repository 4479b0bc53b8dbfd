# Generated from src/reseal/_async/stores/redis_turns.py by tools/unasync.py; edit that file instead.
"""Who does what only one caller at a time may do, where no script can: what it is about is in several slots."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from reseal._sync.stores.redis_server import RedisServer
from reseal._sync.waiting import pause
from reseal.core.errors import StoreUnavailable
from reseal.stores.redis.changes import NONE, Change

TURN_MS: Final = 10_000
"""After so long a turn ends by itself: whoever had it may be dead."""
WAITS: Final = 500
"""How often a caller looks whether it is its turn, every 20 ms at most."""


class RedisTurns:
    """The turns of one store."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def take(self, key: str) -> bytes:
        """Wait for a turn, and return what it is told by."""
        mine = os.urandom(16)
        taking = Change().require(NONE, "EXISTS", key).do("SET", key, mine, "PX", TURN_MS)
        for n in range(WAITS):
            if (self._server.write(taking))[0]:
                return mine
            pause(0.001 + mine[n % len(mine)] / 12_800)  # each caller at other times
        raise StoreUnavailable("Redis: others are always first")

    def end(self, key: str, mine: bytes) -> None:
        """End a turn."""
        with suppress(StoreUnavailable):  # it ends by itself
            self._server.write(Change().require(mine, "GET", key).do("DEL", key))
