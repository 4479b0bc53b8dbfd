# Generated from src/reseal/_async/ports/counts.py by tools/unasync.py; edit that file instead.
"""What a store promises about its figures. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.purging import Backlog


class CountStore(Protocol):
    """How much there is in a store, of all apps and tenants."""

    def backlog(self) -> Backlog:
        """Count the sessions that are due to be looked at by ``purge``. Short, whatever the number of rows."""

    def live_sessions(self) -> int:
        """Count the sessions that have neither ended nor expired. Takes the longer the more there are."""
