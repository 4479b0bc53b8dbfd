"""How soon verifiers learn of ended sessions by the feed of the kill list, and what that costs the service.

python -m bench.kill_feed [--waiting 1000] [--ends 20] [--workers 1] [--busy 0] [--cut]

Starts the service over a PostgreSQL of its own. Each verifier is a connection with one waiting request and a kill list
of its own. It sends no more than a request line and two headers, so that a thousand of them take less time than the
service. On a machine with several cores the service has the first one for itself; verifiers, PostgreSQL and this
program have the others.

``--busy``: so many processes beside, on all cores, that do nothing but count. ``--cut``: in the middle the service is
killed, sessions end in another process, and it starts again: all verifiers connect again by chance, within a second.

The delay is from the call that ends a session to the moment at which a verifier has the entry. At the end each list is
compared with what has ended: none too few, and nobody refused whose session is live.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from reseal import AsyncEngine, AsyncRemote, Settings
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.kill_list import KillEntry, KillList, KillPage, Subject
from reseal.rpc.kill_calls import Feed
from tests.server.running import Running
from tests.support.ports import free_port
from tests.support.postgres import cluster

KEY = "a-good-key-of-thirty-two-letters"
PATH = "/reseal/v1/kill_list"
SETTINGS = Settings(api_domain="https://api.example.com", kill_list=True)
ENTRIES = 100_000
TICKS = 100
QUIET = 5
PATIENCE = 60
COUNT = "n = 0\nwhile True: n += 1"


def busy(service):
    """Return the seconds of processor time that the processes of a service have used."""
    spent = 0
    for pid in {service.pid} | service.workers():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICKS


class Verifier(asyncio.Protocol):
    """One verifying process: a connection, a request that waits, and a list."""

    def __init__(self, port, seen):
        self.port = port
        self.seen = seen
        """Called with the names of the entries of each answer."""
        self.list = KillList()
        self.cuts = 0
        self.is_over = False
        self._transport = None

    async def connect(self):
        """Connect, and ask; while nobody answers, try again after a moment."""
        while not self.is_over:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(random.uniform(0.25, 0.5))
            else:
                return

    def connection_made(self, transport):
        self._transport, self._answer = transport, b""
        self.ask()

    def ask(self):
        cursor = self.list.cursor
        query = {"wait": 25, **({} if cursor is None else {"after": cursor.text()})}
        head = f"GET {PATH}?{urlencode(query)} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\napi-key: {KEY}\r\n\r\n"
        self._transport.write(head.encode())

    def data_received(self, data):
        self._answer += data
        head, ended, body = self._answer.partition(b"\r\n\r\n")
        if not ended or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]):
            return
        assert head.startswith(b"HTTP/1.1 200 "), self._answer
        self._answer = b""
        feed = msgspec.json.decode(body, type=Feed)
        assert self.list.apply(feed.page(), 1), "a gap"
        self.seen([each.name for each in feed.entries])
        self.ask()

    def connection_lost(self, _error):
        if not self.is_over:
            self.cuts += 1
            self._again = asyncio.ensure_future(self.connect())

    def end(self):
        self.is_over = True
        self._transport.abort()


class Crowd:
    """All verifiers, and when each of them had which entry."""

    def __init__(self, waiting, port):
        self.at = {}
        self.news = asyncio.Event()
        self.waiting = waiting
        self.all = [Verifier(port, self.note) for _ in range(waiting)]

    def note(self, names):
        now = asyncio.get_running_loop().time()
        for name in names:
            self.at.setdefault(name, []).append(now)
        self.news.set()

    async def connect(self):
        await asyncio.gather(*(each.connect() for each in self.all))
        await self.until(lambda: all(each.list.cursor is not None for each in self.all))

    async def all_have(self, name):
        await self.until(lambda: len(self.at.get(name, ())) == self.waiting)
        return self.at[name]

    async def until(self, holds):
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self.news.clear()
                await self.news.wait()

    def check(self, ended, live):
        """Compare all lists with what has ended."""
        for each in self.all:
            assert len(each.list) == len(ended)
            assert all(each.list.kills(sid, "", "public", 0) for sid in ended)
            assert not any(each.list.kills(sid, "", "public", 0) for sid in live)


def show(what, delays):
    delays.sort()
    p50, p99 = (delays[min(len(delays) - 1, int(len(delays) * share))] * 1000 for share in (0.5, 0.99))
    print(f"{what}: {p50:.0f} ms (median), {p99:.0f} ms (99 %), {delays[-1] * 1000:.0f} ms (last)")


async def end_each(remote, crowd, sids):
    loop, delays = asyncio.get_running_loop(), []
    for sid in sids:
        began = loop.time()
        await remote.revoke([sid])
        delays += [at - began for at in await crowd.all_have(sid)]
        await asyncio.sleep(0.5)
    return delays


async def measure(start, uri, asked):
    service, loop = start(), asyncio.get_running_loop()
    crowd = Crowd(asked.waiting, service.port)
    async with AsyncRemote(SETTINGS, service.url, api_key=KEY) as remote:
        pairs = [await remote.create(f"user-{n}") for n in range(2 * asked.ends + 2)]
        sids = [pair.claims.sid for pair in pairs]
        live, first, second, cut = sids[-1], sids[: asked.ends], sids[asked.ends : -2], sids[-2]
        memory = service.memory()
        await crowd.connect()
        await asyncio.sleep(2)
        print(f"memory per waiting verifier: {(service.memory() - memory) / asked.waiting / 1024:.1f} kB")
        before = busy(service)
        await asyncio.sleep(QUIET)
        print(f"processor while {asked.waiting} wait: {(busy(service) - before) / QUIET:.2%} of a core")
        before = busy(service)
        show("from the call that ends a session to the entry", await end_each(remote, crowd, first))
        spent = (busy(service) - before) / asked.ends
        print(f"processor per end: {spent * 1000:.0f} ms, {spent / asked.waiting * 1e6:.0f} us a verifier")
        ended = list(first)
        if asked.cut:
            service.kill()
            async with AsyncEngine(SETTINGS, AsyncPostgresStore(uri)) as elsewhere:
                await elsewhere.revoke([cut])
            start()
            began = loop.time()
            show("from the service's new start to the entry of the time between",
                 [at - began for at in await crowd.all_have(cut)])  # fmt: skip
            show("after the cut", await end_each(remote, crowd, second))
            ended += [cut, *second]
            print(f"connections that were cut: {sum(each.cuts for each in crowd.all)}")
        crowd.check(ended, [live])
        print(f"entries: {len(ended)} on each of {asked.waiting} lists, nothing missing, nobody else refused")
        for each in crowd.all:
            each.end()


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


@contextmanager
def counting(number):
    """Have so many processes do nothing but count."""
    beside = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(number)]
    try:
        yield
    finally:
        for each in beside:
            each.kill()
            each.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, default=1_000)
    parser.add_argument("--ends", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--cut", action="store_true")
    asked = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * asked.waiting + 200)), hard))
    cores, running = sorted(os.sched_getaffinity(0)), []
    with cluster() as postgres, tempfile.TemporaryDirectory() as folder, counting(asked.busy):
        variables = {
            "RESEAL_DATABASE_URI": postgres.uri(), "RESEAL_API_KEYS": KEY, "RESEAL_KILL_LIST": "true",
            "RESEAL_CONNECTIONS_PER_ADDRESS": "5000", "RESEAL_PORT": str(free_port()),
            "RESEAL_WORKERS": str(asked.workers),
        }  # fmt: skip

        def start():
            os.sched_setaffinity(0, cores[: asked.workers])  # a new process has the cores of this one
            running.append(Running(Path(folder), **variables))
            os.sched_setaffinity(0, cores[1:] or cores)
            return running[-1].wait()

        try:
            asyncio.run(measure(start, postgres.uri(), asked))
        finally:
            for service in running:
                service.kill()
    entry_size()


if __name__ == "__main__":
    main()
