"""Gauges that only the store knows: asked for when somebody reads the metrics, at most once a minute."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec

from reseal._async.ports import AsyncStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.metrics.exposition import Samples, labels

EVERY: Final = 60_000
"""Milliseconds between two samples."""
SHARE: Final = 100
"""The next count of sessions comes so many times later than the last one took: it costs one part in so many."""
LEASE: Final = 600_000
"""Milliseconds after which another process counts if the one that began to has not finished."""
_NOTE: Final = "metrics:sessions"


class _Counted(msgspec.Struct, frozen=True):
    """The document by which processes share a count of sessions. ``next_at``: when to count again, in ms."""

    next_at: int = 0
    sessions: int | None = None


class _Message(msgspec.Struct, frozen=True):
    at: int = 0


class _Document(msgspec.Struct, frozen=True):
    """What the documents of consumers have in common: messages that have left the outbox and are on their way."""

    messages: tuple[_Message, ...] = ()


class AsyncGauges:
    """The gauges of one store in one process. ``channels``: consumers of the outbox, which become label values."""

    def __init__(self, store: AsyncStore, channels: Iterable[str], clock: Clock) -> None:
        self._store = store
        self._channels = tuple(channels)
        self._clock = clock
        self._sampled_at: int | None = None
        self.latest: Samples = {}

    async def samples(self) -> Samples:
        """Return the values, which are at most a minute old; those of before while the store is unavailable."""
        now = self._clock.monotonic()
        if self._sampled_at is None or now - self._sampled_at >= EVERY:
            self._sampled_at = now
            with suppress(StoreUnavailable):
                await self._sample()
        return self.latest

    async def _sample(self) -> None:
        backlog = await self._store.backlog()
        self.latest |= {
            "reseal_purge_backlog_sessions": {"": backlog.sessions},
            "reseal_purge_overdue_seconds": {"": backlog.overdue_ms / 1000},
        }
        now = (await self._store.times()).now
        lags = {labels({"channel": name}): await self._lag(name, now) for name in self._channels}
        self.latest["reseal_delivery_lag_seconds"] = lags
        sessions = await self._count(now)
        self.latest["reseal_session_count"] = {} if sessions is None else {"": sessions}

    async def _lag(self, channel: str, now: int) -> float:
        """Return the age of the oldest event that is not delivered, in seconds."""
        page = await self._store.read_events(channel, 1)
        note = await self._store.read_note(channel)
        on_their_way = msgspec.json.decode(note.text, type=_Document).messages if note else ()
        times = [message.at for message in on_their_way if message.at] + [event.at for event in page.events]
        return max(0, now - min(times, default=now)) / 1000

    async def _count(self, now: int) -> int | None:
        """Return how many sessions there are, as one process at a time counts them for all."""
        note = await self._store.read_note(_NOTE)
        known = msgspec.json.decode(note.text, type=_Counted) if note else _Counted()
        version = note.version if note else 0
        is_due = not now < known.next_at <= now + LEASE  # farther away is a time of a clock that was wrong
        if not is_due or not await self._write(version, now + LEASE, known.sessions):
            return known.sessions
        began = time.perf_counter()
        try:
            sessions = await self._store.live_sessions()
        except StoreUnavailable:  # it may have taken too long: another try comes when the lease ends
            return known.sessions
        took = round((time.perf_counter() - began) * 1000)
        await self._write(version + 1, now + min(max(EVERY, took * SHARE), LEASE), sessions)
        return sessions

    async def _write(self, version: int, next_at: int, sessions: int | None) -> bool:
        counted = msgspec.json.encode(_Counted(next_at, sessions)).decode()
        return await self._store.write_note(_NOTE, version, counted)
