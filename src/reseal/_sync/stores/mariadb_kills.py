# Generated from src/reseal/_async/stores/mariadb_kills.py by tools/unasync.py; edit that file instead.
"""The kill list in MariaDB and MySQL: see :mod:`reseal._sync.stores.mariadb_transactions`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from reseal._sync.stores.batched_writes import Rows
from reseal._sync.stores.servers import ServerLink, Row
from reseal.core.kill_list import first_number
from reseal.stores.mariadb.statements import Table
from reseal.stores.rows import Values


def kill(link: ServerLink, changed: Sequence[Row], values: Values, now: int) -> None:
    """Put sessions that ended, given as app, tenant and handle, on the kill list, if they are meant to be there."""
    if "kept_ms" in values:
        link.fetch("insert_kills", {"rows": [(now + values["kept_ms"], *session[:3]) for session in changed]})


def _number_kills(link: ServerLink, values: Values) -> Rows:
    """Number entries, in the transaction that holds the lock of the number."""
    [(last,)] = link.fetch("lock_kill_number")
    found = link.fetch("unnumbered_kills", values)
    if found:
        [(now, _, _)] = link.fetch("time", values)
        first = first_number(last, now)
        numbered = Table({"written": written, "seq": seq} for seq, (written,) in enumerate(found, first))
        link.fetch("number_kill_rows", {"asked": numbered})
        link.fetch("set_kill_number", {"last": first + len(found) - 1})
    return [(len(found),)]


def _purge_kills(link: ServerLink, values: Values) -> Rows:
    [(now, _, _)] = link.fetch("time", values)
    return link.fetch("remove_kills", values | {"now": now})


TRANSACTIONS: Final[dict[str, Callable[[ServerLink, Values], Rows]]] = {
    "number_kills": _number_kills,
    "purge_kills": _purge_kills,
}
"""By the name of the query in whose place they stand."""
