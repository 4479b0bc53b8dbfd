"""Processes of the service behind nginx that are told to leave, one after the other, while browsers go on (E22).

nginx, unlike HAProxy, does not ask who is ready: it sends calls until a connection is refused, and does not repeat a
call that it has sent. So a process that leaves has to answer each call that reaches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from tests.server.connections import Connections
from tests.server.experiments import Report
from tests.server.load import Load
from tests.server.sharing import Process, Sharing
from tests.support.ports import free_port
from tests.support.proxies import nginx

CALLS = 100
"""Refreshes before each process leaves."""


class Behind(Process):
    """The service as its callers see it through a proxy."""

    def __init__(self, port: int) -> None:
        self.connections = Connections("127.0.0.1", port, {"cdi-version": "5.4"})


async def leave_behind_nginx(
    sharing: Sharing, folder: Path, left: Iterable[object], report: Report, *, pace: float, **how: str
) -> None:
    """Have one process leave after the other. Each call that is not answered is a violation."""
    variables = [{"RESEAL_PORT": str(free_port()), **how} for _ in range(2)]
    processes = [(await sharing.start(1, **each))[0] for each in variables]
    with nginx(folder, *(int(each["RESEAL_PORT"]) for each in variables)) as port:
        front = Behind(port)
        load = Load([front, front], pace=pace)

        async def leave() -> None:
            for turn, _ in enumerate(left):
                await load.more(CALLS)
                leaving = turn % 2
                if code := await asyncio.to_thread(processes[leaving].leave):
                    report.violations.append(f"P15: a process left with {code}")
                report.injected["SIGTERM behind nginx"] += 1
                [processes[leaving]] = await sharing.start(1, **variables[leaving])
            await load.more(CALLS)

        await load.during(leave())
        await load.nothing_was_lost()
        assert front.connections is not None
        await front.connections.close()
    report.note_load(load)
    failed = {status: load.seen[status] for status in (0, 503) if load.seen[status]}
    if failed:
        report.violations.append(f"P15: calls failed behind nginx: {failed}")
