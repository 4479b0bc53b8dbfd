"""How many bytes a session takes on disk: its row, its indexes, and what a refresh leaves.

python -m bench.disk [--sessions 10000]

Sessions with a small payload are created in an empty store and refreshed once.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.measure import print_machine
from bench.service import Plan, StoredLine, all_of, databases_of
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store

AT_ONCE = 100


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    options = parser.parse_args()
    print_machine()
    print("| store | bytes of a session |\n|---|---|")
    for store, size in (await measure(options.sessions)).items():
        print(f"| {store} | {size:,} |")


async def measure(sessions: int) -> dict[str, int]:
    sizes = {}
    for plan in (Plan(), Plan(postgres=True)):
        with tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder, databases_of(folder, plan) as databases:
            empty = await _filled(databases.before, 0)
            sizes[plan.store] = round((await _filled(databases.alone, sessions) - empty) / sessions)
    return sizes


async def _filled(uri: str, sessions: int) -> int:
    """Return the bytes of a store with so many sessions."""
    store = make_store(ServiceSettings(database_uri=uri))
    await store.open()
    try:
        for first in range(0, sessions, AT_ONCE):
            lines = [StoredLine(store, f"{first + number:032}") for number in range(AT_ONCE)]
            await all_of([line.create for line in lines], 1)
            await all_of([line.refresh for line in lines], 1)
    finally:
        await store.close()
    return await asyncio.to_thread(_bytes_of, uri)


def _bytes_of(uri: str) -> int:
    if uri.startswith("sqlite:"):
        return Path(unquote(urlsplit(uri).path)).stat().st_size
    import psycopg

    with psycopg.connect(uri) as connection:
        found = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        ).fetchone()
    assert found is not None
    return int(found[0])


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
