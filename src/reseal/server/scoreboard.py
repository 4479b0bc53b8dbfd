"""The numbers of all workers of one service, so that whichever is asked answers for all of them.

Each worker writes its numbers into a file of its own once a second and locks its place as long as it lives. Who comes
after one that died takes its place and counts on from there: no counter falls. At most a second's numbers are lost.
"""

from __future__ import annotations

import asyncio
import fcntl
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Final

import msgspec

from reseal.server.metrics import Metrics, Samples, counted_in, joined

WRITE_EVERY: Final = 1.0
"""Seconds."""
_SAMPLES: Final = msgspec.json.Decoder(Samples)


class Scoreboard:
    """One worker's place among the others. ``folder`` is theirs alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._path = _place_in(folder)
        self._written: Samples = {}
        self._writing = asyncio.Lock()

    def found(self) -> Samples:
        """Read what was counted in this place before."""
        return counted_in(_read(self._path))

    async def write(self, metrics: Metrics) -> None:
        """Let the others see these numbers."""
        async with self._writing:
            samples = metrics.samples()
            if samples != self._written:
                await asyncio.to_thread(self._replace, msgspec.json.encode(samples))
                self._written = samples

    async def total(self, metrics: Metrics) -> Samples:
        """Add the numbers of the others. What was shown once is written down first, so that it is not taken back."""
        await self.write(metrics)
        return joined([self._written, *await asyncio.to_thread(self._others)])

    async def keep_writing(self, metrics: Metrics) -> None:
        """Write until cancelled."""
        while True:
            with suppress(OSError):  # a full disk must not end what depends on nothing of it
                await self.write(metrics)
            await asyncio.sleep(WRITE_EVERY)

    def close(self) -> None:
        """Leave the place to somebody else."""
        self._lock.close()

    def _replace(self, content: bytes) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(self._path)

    def _others(self) -> list[Samples]:
        paths = [path for path in self._folder.glob("*.json") if path != self._path]
        return [_read(path) if _is_taken(_lock_of(path)) else counted_in(_read(path)) for path in paths]


def _place_in(folder: Path) -> tuple[IO[str], Path]:
    """Lock the first place that nobody has."""
    for number in count():
        path = folder / f"{number}.json"
        lock = _lock_of(path).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, path
    raise AssertionError("counting ends nowhere")


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
    """Read what was written last; nothing if nothing was, or not by this version."""
    try:
        return _SAMPLES.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
