"""The metrics of all workers of one service, so that any worker can report the totals.

Each worker writes its metrics to its own file once a second, and holds a lock on its slot while it lives. The successor
of a crashed worker takes over its slot and its counters, so no counter decreases. At most one second of counts is lost.
"""

from __future__ import annotations

import asyncio
import fcntl
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Final

import msgspec

from reseal.metrics.exposition import Samples
from reseal.server.metrics import FAMILIES, Metrics

WRITE_EVERY: Final = 1.0
"""Seconds."""
_SAMPLES: Final = msgspec.json.Decoder(Samples)


class Scoreboard:
    """One worker's slot. Only the workers of this service use ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._path = _place_in(folder)
        self._written: Samples = {}
        self._writing = asyncio.Lock()

    def found(self) -> Samples:
        """Return the counts left in this slot by its previous owner."""
        return FAMILIES.counted_in(_read(self._path))

    async def write(self, metrics: Metrics) -> None:
        """Publish this worker's metrics to the others."""
        async with self._writing:
            samples = metrics.samples()
            if samples != self._written:
                await asyncio.to_thread(self._replace, msgspec.json.encode(samples))
                self._written = samples

    async def total(self, metrics: Metrics) -> Samples:
        """Return the totals of all workers. Writes its own metrics first, so that a reported count never decreases."""
        await self.write(metrics)
        return FAMILIES.joined([self._written, *await asyncio.to_thread(self._others)])

    async def keep_writing(self, metrics: Metrics) -> None:
        """Write until cancelled."""
        while True:
            with suppress(OSError):  # a full disk must not stop the loop
                await self.write(metrics)
            await asyncio.sleep(WRITE_EVERY)

    def close(self) -> None:
        """Release the slot."""
        self._lock.close()

    def _replace(self, content: bytes) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(self._path)

    def _others(self) -> list[Samples]:
        paths = [path for path in self._folder.glob("*.json") if path != self._path]
        return [_read(path) if _is_taken(_lock_of(path)) else FAMILIES.counted_in(_read(path)) for path in paths]


def _place_in(folder: Path) -> tuple[IO[str], Path]:
    """Lock the first free slot."""
    for number in count():
        path = folder / f"{number}.json"
        lock = _lock_of(path).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, path
    raise AssertionError("unreachable: count() is endless")


def _is_taken(path: Path) -> bool:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _read(path: Path) -> Samples:
    """Read the last metrics written; empty if there are none, or another version wrote them."""
    try:
        return _SAMPLES.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
