# Generated from src/reseal/_async/stores/polled_news.py by tools/unasync.py; edit that file instead.
"""A store that announces nothing: it is read at an interval."""

from __future__ import annotations

from typing import Final

from reseal._sync.waiting import pause

POLL: Final = 0.5
"""Seconds between two reads of the kill list where nothing announces new entries."""


class PolledNews:
    """Lets a moment pass before each read."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for the interval, or for ``timeout_s`` seconds if that is shorter."""
        pause(min(timeout_s, POLL))
        return timeout_s >= POLL

    def close(self) -> None:
        """Do nothing: there is no connection."""
