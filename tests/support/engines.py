"""Each database that sessions can be in, as an experiment needs it: an empty store, a crash, and a start."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from tests.support import mariadb, postgres, redis


class Engine(NamedTuple):
    """One server, or one folder of files."""

    title: str
    make_store: Callable[[], str]
    """Return the address of an empty store."""
    stop: Callable[[], object]
    """Crash."""
    start: Callable[[], object]
    """Start again after a crash, and wait until it answers."""
    cluster: postgres.Cluster | None = None
    """The server, if it is a PostgreSQL."""


@contextmanager
def sqlite() -> Iterator[Engine]:
    """Provide files, which cannot crash without the processes that have them open."""
    numbers = count()
    with tempfile.TemporaryDirectory(prefix="reseal-sqlite-") as folder:
        yield Engine("SQLite", lambda: f"sqlite:///{folder}/{next(numbers)}.db", _cannot, _cannot)


@contextmanager
def postgresql(settings: str = "") -> Iterator[Engine]:
    with postgres.cluster(settings) as own:
        yield Engine("PostgreSQL", lambda: own.uri(own.schema()), own.stop, own.start, own)


@contextmanager
def maria(*settings: str) -> Iterator[Engine]:
    with mariadb.server(*settings) as own:
        yield Engine("MariaDB", lambda: own.uri(own.database(), "?ssl-mode=DISABLED"), own.kill, own.start)


@contextmanager
def redis_server(*settings: str) -> Iterator[Engine]:
    with redis.server((*redis.DURABLE, *settings)) as own:
        yield Engine("Redis", own.uri, own.kill, own.start)


ENGINES: Final[dict[str, Callable[[], AbstractContextManager[Engine]]]] = {
    "sqlite": sqlite,
    "postgres": postgresql,
    "mariadb": maria,
    "redis": redis_server,
}
EVERYWHERE: Final[dict[str, Callable[[], AbstractContextManager[Engine]]]] = {
    "postgres": partial(postgresql, "-c listen_addresses=*"),
    "mariadb": partial(maria, "--bind-address=0.0.0.0"),
    "redis": partial(redis_server, "--bind", "0.0.0.0", "--protected-mode", "no"),
}
"""Servers at each address of the machine, for a network of their own: so each client can have one to itself."""


def _cannot() -> None:
    raise NotImplementedError("an SQLite file has no server")
