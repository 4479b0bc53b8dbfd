"""Check the PostgreSQL servers that a URI names: one of them is the primary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reseal._async.stores.postgres_hosts import REPLACED, told
from reseal._async.stores.postgres_server import AsyncServer
from reseal.core.secret import Secret
from reseal.server.inspection.finding import Finding, warned
from reseal.stores.postgres import QUERIES
from reseal.stores.postgres.hosts import Host, Standing

PATIENCE: Final = 5
"""Timeout in seconds for connecting to each, and for each reply."""


async def look(uri: Secret) -> list[Finding]:
    """Check each server. Returns no findings if the URI names only one: opening the store reports its state.

    Raises ``ConfigurationError`` for one that would lose what it acknowledged.
    """
    server = AsyncServer(
        uri, pool_size=1, connect_timeout_s=PATIENCE, statement_timeout_ms=PATIENCE * 1000, queries=QUERIES
    )
    found = await server.survey()
    return list(_findings(found)) if len(found) > 1 else []


def _findings(found: Mapping[Host, Standing | str]) -> Iterator[Finding]:
    primaries = {host: each for host, each in found.items() if isinstance(each, Standing) and not each.obstacle}
    latest = max((each.timeline for each in primaries.values()), default=0)
    present = [str(host) for host, each in primaries.items() if each.timeline == latest]
    if len({each.system for each in primaries.values()}) > 1:
        names = ", ".join(map(str, primaries))
        yield Finding("servers", fine=False, text=f"{names} are not of one cluster: name only the servers of one")
    elif len(present) > 1 and latest:
        text = f"{', '.join(present)} take writes at once on timeline {latest}: stop all but one, and see what each has"
        yield Finding("servers", fine=False, text=text)
    for host, each in found.items():
        if isinstance(each, str):
            yield warned("servers", f"{host} cannot be reached" + (f" ({each})" if each else ""))
        elif host not in primaries:
            yield Finding("servers", fine=True, text=f"{host} is a standby, or takes no writes")
        elif each.timeline < latest:
            yield Finding("servers", fine=False, text=f"{host} takes writes, but {REPLACED}; stop it")
        else:
            yield Finding("servers", fine=True, text=f"{host} is the primary, {told(each)}")
