"""A program: lines between application, service and database are cut by a firewall (reliability: E17, E20).

python -m tests.faults.cut_lines postgres|mariadb|redis [rounds [seconds]]: ends with 0 if no promise was broken. Each round
is one cut, of so many seconds. It needs a network of its own (``unshare --net``), and nft.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.server.experiments import Report
from tests.server.load import Load
from tests.server.partitions import cut_from_the_service, cut_from_the_store, cuts, service_lines, start
from tests.server.sharing import Sharing
from tests.support.engines import EVERYWHERE
from tests.support.firewall import Firewall


async def main(engine: str, rounds: int, seconds: float) -> Report:
    firewall, report = Firewall(), Report()
    with EVERYWHERE[engine]() as server, tempfile.TemporaryDirectory(prefix="reseal-cut-") as folder:
        uri = server.make_store()
        sharing = Sharing(uri, Path(folder))
        try:
            processes, lines = await start(sharing, uri)
            load = Load(processes, pace=0.05)
            plan = cuts(lines, seconds, range(rounds))
            await load.during(cut_from_the_store(firewall, load, sharing.stolen, plan, report))
            await load.nothing_was_lost()
            report.note_load(load)
            await cut_from_the_service(
                firewall, processes, cuts(service_lines(processes), seconds, range(rounds)), report
            )
        finally:
            await sharing.close()
        report.violations += [f"P2: false theft of {handle}" for handle in sharing.accused()]
    return report


if __name__ == "__main__":
    found = asyncio.run(main(sys.argv[1], int((sys.argv[2:] or ["4"])[0]), float((sys.argv[3:] or ["8"])[0])))
    sys.stdout.write(f"{found}\n")
    raise SystemExit(1 if found.violations else 0)
