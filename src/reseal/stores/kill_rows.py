"""The kill list as rows of a table. Knows no driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reseal.core.kill_list import KillCursor, KillEntry, KillPage, Subject, position
from reseal.core.model import Scope
from reseal.stores.rows import Values, scoped


def of_page(scope: Scope, after: KillCursor | None, limit: int) -> Values:
    """Return the parameters of ``kills``: one row more than the page has tells whether there is another."""
    return scoped(scope) | {"after": after.seq if after else 0, "limit": limit + 1}


def to_page(
    found: Sequence[Sequence[Any]], scope: Scope, after: KillCursor | None, limit: int, now: int
) -> KillPage | None:
    """Read rows of epoch, last number, number, handle and end; ``None``: the cursor is of another epoch."""
    epoch, last = found[0][:2]
    if after is not None and after.epoch != epoch:
        return None
    rows = [row[2:5] for row in found if row[2] is not None]
    more, place = len(rows) > limit, position(after, epoch)
    entries = (KillEntry(seq, Subject.SESSION, handle, scope.tenant_id, None, until) for seq, handle, until in rows)
    seq = rows[limit - 1][0] if more else max(last, place)
    return KillPage(epoch, place, seq, tuple(entries)[:limit], more, now)
