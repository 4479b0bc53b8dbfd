"""What the feed of the kill list costs the service per waiting verifier, and a verifier per entry.

python -m bench.kill_feed [--waiting 1000] [--ends 20]

Starts one process of the service over a PostgreSQL of its own. The verifiers are connections, each with one waiting
request; after each end all of them are answered, and ask again.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import tracemalloc
from pathlib import Path

import msgspec

from reseal import AsyncRemote, Settings
from reseal.core.kill_list import KillEntry, KillList, KillPage, Subject
from reseal.rpc.kill_calls import Feed
from tests.server.connections import Connections
from tests.server.running import Running
from tests.support.postgres import cluster

KEY = "a-good-key-of-thirty-two-letters"
PATH = "/reseal/v1/kill_list"
ENTRIES = 100_000
TICKS = 100
QUIET = 20


def busy(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def read(connections, after=None):
    status, body = await connections.call("GET", PATH, query={"after": after, "wait": 25} if after else None)
    assert status == 200, body
    return msgspec.json.decode(body, type=Feed)


async def timed(task, answered, n, loop):
    found = await task
    answered[n] = loop.time()
    return found


async def measure(service, waiting, ends):
    settings = Settings(api_domain="https://api.example.com")
    loop = asyncio.get_running_loop()
    async with AsyncRemote(settings, service.url, api_key=KEY) as remote:
        pairs = [await remote.create(f"user-{n}") for n in range(ends)]
        clients = [Connections("127.0.0.1", service.port, {"api-key": KEY}) for _ in range(waiting)]
        cursor = (await read(clients[0])).cursor
        memory = service.memory()
        tasks = [asyncio.create_task(read(client, cursor)) for client in clients]
        await asyncio.sleep(3)
        print(f"memory per waiting verifier: {(service.memory() - memory) / waiting / 1024:.1f} kB")
        before = busy(service.pid)
        await asyncio.sleep(QUIET)
        print(f"processor while {waiting} wait: {(busy(service.pid) - before) / QUIET:.2%} of a core")
        delays, before = [], busy(service.pid)
        for pair in pairs:
            began = loop.time()
            await remote.revoke([pair.claims.sid])
            answered = [0.0] * waiting
            found = await asyncio.gather(*(timed(task, answered, n, loop) for n, task in enumerate(tasks)))
            delays += [at - began for at in answered]
            assert all(each.entries for each in found)
            tasks = [
                asyncio.create_task(read(client, each.cursor)) for client, each in zip(clients, found, strict=True)
            ]
            await asyncio.sleep(0.5)
        spent = (busy(service.pid) - before) / ends
        delays.sort()
        print(f"processor per end: {spent * 1000:.0f} ms, {spent / waiting * 1e6:.0f} us a verifier")
        p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
        print(
            f"from the call that ends a session to the answer: {p50 * 1000:.0f} ms (median), {p99 * 1000:.0f} ms (99 %)"
        )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def entry_size():
    """Measure the memory of an entry in a verifier."""
    tracemalloc.start()
    entries = KillList()
    before = tracemalloc.get_traced_memory()[0]
    for first in range(0, ENTRIES, 5_000):
        some = tuple(
            KillEntry(n, Subject.SESSION, f"{n:036}", "public", None, 9_000_000_000_000 + n)
            for n in range(first + 1, first + 5_001)
        )
        entries.apply(KillPage("e", first, first + 5_000, some, more=False, now=1), 1)
    del some
    print(f"memory per entry in a verifier: {(tracemalloc.get_traced_memory()[0] - before) / ENTRIES:.0f} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, default=1_000)
    parser.add_argument("--ends", type=int, default=20)
    asked = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * asked.waiting + 200)), hard))
    with cluster() as postgres, tempfile.TemporaryDirectory() as folder:
        variables = {
            "RESEAL_DATABASE_URI": postgres.uri(), "RESEAL_API_KEYS": KEY, "RESEAL_KILL_LIST": "true",
            "RESEAL_CONNECTIONS_PER_ADDRESS": "5000",
        }  # fmt: skip
        service = Running(Path(folder), **variables).wait()
        try:
            asyncio.run(measure(service, asked.waiting, asked.ends))
        finally:
            service.kill()
    entry_size()


if __name__ == "__main__":
    main()
