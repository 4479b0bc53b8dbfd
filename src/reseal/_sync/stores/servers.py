# Generated from src/reseal/_async/stores/servers.py by tools/unasync.py; edit that file instead.
"""What the store on a database server needs of the server: named queries, and transactions of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class ServerLink(Protocol):
    """A connection."""

    def fetch(self, name: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a query; one that only writes returns a row, of whatever kind, for each that it wrote."""

    def write(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a query that gives no rows; returns how many it wrote."""

    def settle(self) -> None:
        """Set what our statements rely on, at the beginning of a transaction."""

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction, which is committed at the end of the block, or rolled back after an exception."""


class Server(Protocol):
    """Connections to one database. What the driver raises becomes ``StoreUnavailable`` and keeps its cause."""

    limit_s: float
    """Seconds that a call may take, however many statements, hosts and attempts it takes."""

    def open(self, *, upgrade: bool = True) -> None:
        """Connect once, check the server and bring the schema up to date, or demand that it is."""

    def close(self) -> None:
        """Close the connections."""

    def fetch(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Run one query."""

    def run(self, work: Callable[[ServerLink], T]) -> T:
        """Lend a connection. ``work`` is run again if the server took it back for another's sake."""

    def run_patiently(self, work: Callable[[ServerLink], T]) -> T:
        """Lend a connection of its own, in a transaction that may take minutes."""
