"""The cost to a service of following its apps and tenants: few of them against many, in one run.

python bench/directory.py [--rounds 7] [--tenants 100000] [--apps 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import closing
from pathlib import Path

from measure import Variant, median, micro, print_machine, ratio, take_turns

from reseal import AsyncSQLiteStore
from reseal.core.model import Scope
from reseal.log import log_event
from reseal.server.config import ServiceSettings
from reseal.server.tenants.directory import WAIT_AFTER, Directory
from reseal.stores.sqlite import file as sqlite_file
from reseal.testing import ManualClock

ROW = json.dumps({"coreConfig": {}, "signIn": {"firstFactors": ["emailpassword"]}, "born": "0011223344556677"}).encode()
LOOKS = 200


class World:
    """A directory over one file, all of it read."""

    def __init__(self, path: Path, apps: int, tenants: int) -> None:
        self.clock = ManualClock()
        self.store = AsyncSQLiteStore(path, self.clock)
        self._path = path
        self._scopes = [Scope("a0", "public"), *(Scope("a0", f"t{n}") for n in range(tenants))]
        self._scopes += [Scope(f"a{n}", "public") for n in range(1, apps)]
        self.turn = 0

    async def open(self) -> float:
        """Fill the file; return the seconds of the first reading and the first app."""
        sqlite_file.prepare(self._path)
        with closing(sqlite_file.connect(self._path)) as db:
            rows = [(*scope, ROW.decode(), n) for n, scope in enumerate(self._scopes)]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO tenant (app_id, tenant_id, config, created_at) VALUES (?, ?, ?, ?)", rows)
            db.execute("COMMIT")
        await self.store.open()
        settings = ServiceSettings(database_uri="memory:")
        self.directory = Directory(settings, self.store, self.clock, on_event=log_event)
        began = time.perf_counter()
        assert await self.directory.find("a0", "public") is not None
        return time.perf_counter() - began

    async def look(self) -> int:
        """Requests of one app, each late enough to wait for a check for changes, which finds none."""
        for _ in range(LOOKS):
            self.clock.advance(WAIT_AFTER)
            await self.directory.find("a0", "public")
        return LOOKS

    async def change(self) -> int:
        """The same, and each time another process has changed one tenant."""
        for _ in range(LOOKS):
            self.turn += 1
            await self.store.put_tenant(self._scopes[self.turn % 10], ROW)
            self.clock.advance(WAIT_AFTER)
            await self.directory.find("a0", "public")
        return LOOKS


async def compare(rounds: int, apps: int, tenants: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        few, many = World(Path(folder) / "few.db", 10, 10), World(Path(folder) / "many.db", apps, tenants)
        first = [await each.open() for each in (few, many)]
        variants: dict[str, Variant] = {
            "few, nothing changed": few.look,
            "many, nothing changed": many.look,
            "few, one tenant changed": few.change,
            "many, one tenant changed": many.change,
        }
        seconds = await take_turns(variants, rounds)
        for each in (few, many):
            await each.directory.close()
            await each.store.close()
    print(f"few: 10 apps, 10 tenants of one; many: {apps} apps, {tenants} tenants of one\n")
    for name, values in seconds.items():
        print(f"{name:28}{micro(median(values))}")
    for what in ("nothing changed", "one tenant changed"):
        print(f"many / few, {what:20} {ratio(seconds[f'many, {what}'], seconds[f'few, {what}']):6.2f}")
    print(f"first reading: {first[0] * 1000:.1f} ms with few, {first[1] * 1000:.0f} ms with many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--tenants", type=int, default=100_000)
    options = parser.parse_args()
    print_machine()
    asyncio.run(compare(options.rounds, options.apps, options.tenants))


if __name__ == "__main__":
    main()
