# Generated from src/reseal/_async/stores/redis_time.py by tools/unasync.py; edit that file instead.
"""The time of a Redis store: the clock of the node that is asked, and what all processes noted."""

from __future__ import annotations

from typing import Final

from reseal._sync.stores.redis_server import RedisServer
from reseal.clock import Clock, Mark
from reseal.core.errors import StoreUnavailable
from reseal.core.store_time import Times
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import Layout, decode, encode
from reseal.stores.server_time import ServerTime

_ATTEMPTS: Final = 8


class RedisTime:
    """Each answer brings the clock of its node; the time goes by it, kept from going back and from jumping ahead.

    A script cannot read what was noted in another slot: so a process takes it over when it opens, when a session
    begins, when it is asked for the time, and once a second while it writes.
    """

    def __init__(self, server: RedisServer, layout: Layout, clock: Clock | None) -> None:
        self._server = server
        self._key = layout.once("time")
        self._clock = clock
        self._time = ServerTime(clock)

    def now(self, wall: int) -> int:
        """Return the store's time by the clock of a node; if none was asked (0), the last one that is known."""
        values = self._time.values()
        wall, ceiling = values.get("clock", wall), values["ceiling"]
        now: int = max(values["floor"], wall if ceiling is None or wall <= ceiling else values["expected"])
        if not wall:
            return now
        self._time.see(now, wall)
        return now

    def begin(self) -> None:
        """Learn what was noted last."""
        _, (at, run, steady, era), _ = self._noted()
        self._time.begin(Mark(at, run, steady), era)

    def read(self) -> Times:
        """Read the time, after what other processes noted, and the clock."""
        _, (at, _, _, era), wall = self._noted()
        wall = wall if self._clock is None else self._clock.wall()
        if era != self._time.values()["era"]:
            self._time.begin(Mark(at), era)
        now = max(self.now(wall), at)
        self._time.see(now, wall)
        return Times(now, wall)

    def written(self) -> None:
        """Once a second, note the time for all."""
        if self._time.is_to_be_noted():
            self.note()

    def note(self) -> None:
        """Note the time, unless somebody has noted a later one."""
        for _ in range(_ATTEMPTS):
            now = (self.read()).now
            value, (at, _, _, era), _ = self._noted()
            if at >= now or era != self._time.values()["era"]:
                return
            mark = self._time.mark()
            if self._write(value, (now, mark["run"], mark["steady"], era)):
                return

    def begin_era(self) -> tuple[int, int]:
        """Set the time to the clock, also back; returns it before and after."""
        for _ in range(_ATTEMPTS):
            before, now = self.read()
            value, (_, _, _, era), _ = self._noted()
            if self._write(value, (now, None, 0, era + 1)):
                self._time.begin(Mark(now), era + 1)
                return before, now
        raise StoreUnavailable("Redis: others note the time all the time")

    def _noted(self) -> tuple[bytes | None, tuple[int, str | None, int, int], int]:
        answer = self._server.read(("GET", self._key))
        [value] = answer.replies
        at, run, steady, era = (0, None, 0, 0) if value is None else decode(value)
        return value, (at, run, steady, era), answer.wall

    def _write(self, before: bytes | None, noted: tuple[int, str | None, int, int]) -> bool:
        [done] = self._server.write(
            Change().require(ABSENT if before is None else before, "GET", self._key).do("SET", self._key, encode(noted))
        )
        return done
