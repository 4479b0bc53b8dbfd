"""The kill list in MariaDB and MySQL: see :mod:`reseal._async.stores.mariadb_transactions`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from reseal._async.stores.batched_writes import Rows
from reseal._async.stores.servers import AsyncServerLink, Row
from reseal.core.kill_list import first_number
from reseal.stores.mariadb.statements import Table
from reseal.stores.rows import Values


async def kill(link: AsyncServerLink, changed: Sequence[Row], values: Values, now: int) -> None:
    """Put sessions that ended, given as app, tenant and handle, on the kill list, if they are meant to be there."""
    if "kept_ms" in values:
        await link.fetch("insert_kills", {"rows": [(now + values["kept_ms"], *session[:3]) for session in changed]})


async def _number_kills(link: AsyncServerLink, values: Values) -> Rows:
    """Number entries, in the transaction that holds the lock of the number."""
    [(last,)] = await link.fetch("lock_kill_number")
    found = await link.fetch("unnumbered_kills", values)
    if found:
        [(now, _, _)] = await link.fetch("time", values)
        first = first_number(last, now)
        numbered = Table({"written": written, "seq": seq} for seq, (written,) in enumerate(found, first))
        await link.fetch("number_kill_rows", {"asked": numbered})
        await link.fetch("set_kill_number", {"last": first + len(found) - 1})
    return [(len(found),)]


async def _purge_kills(link: AsyncServerLink, values: Values) -> Rows:
    [(now, _, _)] = await link.fetch("time", values)
    return await link.fetch("remove_kills", values | {"now": now})


TRANSACTIONS: Final[dict[str, Callable[[AsyncServerLink, Values], Awaitable[Rows]]]] = {
    "number_kills": _number_kills,
    "purge_kills": _purge_kills,
}
"""By the name of the query in whose place they stand."""
