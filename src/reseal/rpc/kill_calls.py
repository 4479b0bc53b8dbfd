"""The feed of the kill list: ``GET /reseal/v1/kill_list``, of which each answer is what follows a cursor.

Parameters: ``app_id``, ``tenant_id``, ``after`` (a cursor; without it: a snapshot) and ``wait`` (in seconds). Status
410 means that the cursor is another store's: a snapshot is needed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reseal.core.kill_list import KillCursor, KillEntry, KillPage

NAME: Final = "kill_list"
WAIT: Final = 25.0
"""Upper limit of the seconds that a request waits for entries."""
GONE: Final = 410
"""The status of the answer to a cursor of another store."""


class Feed(msgspec.Struct, frozen=True):
    """An answer. Its entries are arrays, in the order of the members of ``KillEntry``."""

    cursor: str
    """Where to read on."""
    after: int
    """The entries are all those after this number; 0: a snapshot, which needs nothing from before."""
    entries: tuple[KillEntry, ...]
    more: bool
    """Whether there are further entries at once."""
    now: int
    """The store's time (ms)."""
    waited_ms: int = 0
    """When the store was read, in ms after the request arrived; negative: before it arrived."""

    def page(self) -> KillPage | None:
        """Return the page; ``None`` if its cursor cannot be read."""
        cursor = KillCursor.read(self.cursor)
        if cursor is None:
            return None
        return KillPage(cursor.epoch, self.after, cursor.seq, self.entries, self.more, self.now)


def written(page: KillPage) -> bytes:
    """Write a page as the beginning of an answer: what is left is :func:`waited`."""
    feed = Feed(page.cursor.text(), page.after, page.entries, page.more, page.now)
    return msgspec.json.encode(feed).rpartition(b",")[0]


def waited(milliseconds: int) -> bytes:
    """Write the end of an answer, which is that of one request."""
    return b',"waited_ms":%d}\n' % milliseconds
