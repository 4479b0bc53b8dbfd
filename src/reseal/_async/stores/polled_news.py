"""A store that announces nothing: it is read at an interval."""

from __future__ import annotations

from typing import Final

from reseal._async.waiting import pause

POLL: Final = 0.5
"""Seconds between two reads of the kill list where nothing announces new entries."""


class AsyncPolledNews:
    """Lets a moment pass before each read."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the interval, or for ``timeout_s`` seconds if that is shorter."""
        await pause(min(timeout_s, POLL))
        return timeout_s >= POLL

    async def close(self) -> None:
        """Do nothing: there is no connection."""
