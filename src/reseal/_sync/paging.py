# Generated from src/reseal/_async/paging.py by tools/unasync.py; edit that file instead.
"""Lists that are read in pages, so that no call is about more rows than a page has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reseal.core.model import SessionRecord
from reseal.core.selection import PAGE, UserPlace

Records = tuple[SessionRecord, ...]


def sessions_of_user(read: Callable[[UserPlace, int], Records]) -> Records:
    """Read all pages; ``read`` reads one. Sessions that begin at the same time may be among them."""
    records: list[SessionRecord] = []
    after = UserPlace()
    while True:
        page = read(after, PAGE)
        records += page
        if len(page) < PAGE:
            return tuple(records)
        after = UserPlace(page[-1].created_at, page[-1].handle)
