"""A program: a Redis master is cut off together with some of its clients (reliability: E18).

python -m tests.faults.redis_cut_off cluster|sentinel fsync|replicas:1 [options of the servers]

It ends with 0 if nobody was accused, every thief was found and, with ``replicas:1``, nothing was lost that was
acknowledged and nobody was signed out. It prints what was lost otherwise. It needs a network of its own
(``unshare --net``). Each master has two replicas.

Some users talk to processes on the side of the master, others to the other side, some to both in turns, and some to a
process that reaches all nodes. The first cut is counted: users stop before it ends, and what the servers have then is
compared with what was acknowledged. The second one they live through.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

from redis.asyncio.connection import Connection

from reseal import AsyncReseal, Settings
from reseal._async.stores.redis import AsyncRedisStore
from tests.faults.cut_off_users import DOOR, KINDS, Crowd
from tests.support import network
from tests.support.redis import RedisServer
from tests.support.redis_cluster import RedisCluster, Watched, cluster, until, watched

API: Final = "https://api.example.com"
NODES, SENTINELS, CLIENTS = "127.0.1", "127.0.2", "127.0.3"
NEAR, FAR, BETWEEN = (f"{CLIENTS}.{n}" for n in (1, 2, 3))
PLACES: Final = {"with the master": (NEAR,), "on the other side": (FAR,), "on both": (NEAR, FAR), "between": (BETWEEN,)}
CUT_S: Final = 8
Servers = RedisCluster | Watched


def _from_here() -> None:
    """Have each connection come from the address of the process whose it would be."""
    known = Connection._connection_arguments

    def arguments(self: Connection) -> Any:
        return {**known(self), "local_addr": (DOOR.get(), 0)}

    Connection._connection_arguments = arguments  # type: ignore[method-assign]


@contextmanager
def _servers(kind: str, options: Iterable[str]) -> Iterator[Servers]:
    if kind == "cluster":
        with cluster(2, NODES) as own:
            yield own
    else:
        with watched(2, (NODES, SENTINELS), *options) as other:
            yield other


def _masters(servers: Servers) -> list[RedisServer]:
    return [node for node in servers.nodes if b"role:master" in node.ask("INFO", "replication")]


def _is_whole(servers: Servers) -> bool:
    if isinstance(servers, RedisCluster):
        servers.until_whole()
    return len(_masters(servers)) == (3 if isinstance(servers, RedisCluster) else 1)


def _cut(servers: Servers, *, heals: bool) -> None:
    """Cut a master off, with the first sentinel and the clients near it, until a replica has taken its place."""
    before = _masters(servers)
    victim = before[0]
    sentinels = [] if isinstance(servers, RedisCluster) else [each.host for each in servers.sentinels]
    near = [victim.host, NEAR, *sentinels[:1]]
    far = [each.host for each in servers.nodes if each is not victim] + [FAR, *sentinels[1:]]
    began = time.monotonic()
    with network.cut(near, far):
        if network.passes(FAR, (victim.host, victim.port)) or not network.passes(NEAR, (victim.host, victim.port)):
            raise RuntimeError("the cut does not hold")
        until(lambda: len(_masters(servers)) > len(before))  # the one that was cut off still takes itself for one
        sys.stdout.write(f"a replica took over after {time.monotonic() - began:.1f} s\n")
        time.sleep(max(0.0, began + CUT_S - time.monotonic()))  # as long as the row of the table says
        if not heals:
            return
    until(lambda: _is_whole(servers))


async def main(kind: str, acknowledge: str, options: list[str]) -> list[str]:
    network.begin()
    _from_here()
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(_servers(kind, options))
        uri = servers.uri(f"&acknowledge={acknowledge}")
        doors = {}
        for source in (NEAR, FAR, BETWEEN):
            DOOR.set(source)
            doors[source] = AsyncReseal(Settings(api_domain=API, database_uri=uri)).backend
            await doors[source].open()
            stack.push_async_callback(doors[source].close)
        store = AsyncRedisStore(uri, looks_only=True)
        DOOR.set(BETWEEN)
        await store.open()
        stack.push_async_callback(store.close)
        return await _experiment(servers, Crowd(PLACES, doors), store, doors[BETWEEN], acknowledge)


async def _experiment(
    servers: Servers, crowd: Crowd, store: AsyncRedisStore, sessions: Any, acknowledge: str
) -> list[str]:
    began = time.monotonic()
    await crowd.live(lambda: time.monotonic() > began + 2)
    crowd.done.clear()
    crowd.refused.clear()
    await crowd.during(lambda: _cut(servers, heals=False))
    await asyncio.to_thread(until, lambda: _is_whole(servers))
    lost = await crowd.compare(store)
    sys.stdout.write("| users | acknowledged | refused | refreshes lost | sign-ins | sign-outs | signed out |\n")
    for place in PLACES:
        done = sum(crowd.done[place, what] for what in KINDS)
        counts = [lost[place, what] for what in KINDS]
        row = (place, done, crowd.refused[place], *counts, crowd.signed_out[place])
        sys.stdout.write(f"| {' | '.join(map(str, row))} |\n")
    if acknowledge != "fsync" and lost.total():
        crowd.wrong.append(f"lost although {acknowledge} had acknowledged it: {lost}")
    began = time.monotonic()
    await crowd.live(lambda: time.monotonic() > began + 2)
    if acknowledge != "fsync":
        await crowd.during(lambda: _cut(servers, heals=True))
        began = time.monotonic()
        await crowd.live(lambda: time.monotonic() > began + 2)
    await crowd.look_back(sessions)
    if acknowledge != "fsync" and crowd.signed_out.total():
        crowd.wrong.append(f"signed out although {acknowledge} had acknowledged their sessions: {crowd.signed_out}")
    return crowd.wrong


if __name__ == "__main__":
    found = asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
    sys.stdout.write("\n".join(found))
    raise SystemExit(1 if found else 0)
