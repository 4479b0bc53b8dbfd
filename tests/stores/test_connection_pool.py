"""Connections that threads share."""

from __future__ import annotations

from typing import Any

from reseal._sync.stores.connection_pool import ConnectionPool


class TakenMeanwhile(list[Any]):
    """Not empty when it is looked at, and empty when something is taken: another thread was quicker."""

    def __bool__(self) -> bool:
        return True


def test_a_connection_that_another_thread_takes_in_the_same_moment_is_replaced_by_a_new_one():
    pool = ConnectionPool(lambda: "new", 2, 1, "PostgreSQL")
    assert pool._lend(TakenMeanwhile()) == "new"
