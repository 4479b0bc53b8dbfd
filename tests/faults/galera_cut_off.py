"""A program: a node of a Galera cluster is cut off from the two others, and users go on at all of them (reliability: E17).

python -m tests.faults.galera_cut_off

It ends with 0 if nothing was lost that was acknowledged, nobody was signed out or accused, and every thief was found. It
prints what was acknowledged, and for how long nothing was. It needs a network of its own (``unshare --net``).

Some users talk to a process that knows the node alone, others to one that knows the two others, and some to one that
knows all three, the node first. Twice it is cut off for eight seconds and comes back.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from typing import Any, Final

from reseal import AsyncReseal, Settings
from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal.core.errors import StoreUnavailable
from tests.faults.cut_off_users import KINDS, Crowd
from tests.support import network
from tests.support.galera import Galera, galera

HOSTS: Final = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
PLACES: Final = {"at the node": ("near",), "at the others": ("far",), "at any": ("any",), "in turns": ("near", "far")}
NODES: Final = {"near": (0,), "far": (1, 2), "any": (0, 1, 2)}
CUT_S: Final = 8
CALM_S: Final = 2


class Pauses:
    """For how long no user of a place had anything acknowledged."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._seen: dict[str, tuple[int, float]] = {}
        self.longest: dict[str, float] = {}

    async def watch(self) -> None:
        while True:
            now = time.monotonic()
            for place in PLACES:
                done = sum(self._crowd.done[place, what] for what in KINDS)
                before, since = self._seen.get(place, (-1, now))
                if done != before:
                    self._seen[place] = done, now
                self.longest[place] = max(self.longest.get(place, 0.0), now - since)
            await asyncio.sleep(0.02)


def _cut(cluster: Galera) -> None:
    """Cut the first node off, and wait until it is back."""
    began = time.monotonic()
    with network.cut(HOSTS[:1], HOSTS[1:]):
        if network.passes(HOSTS[0], (HOSTS[1], cluster.nodes[1].port)):
            raise RuntimeError("the cut does not hold")
        while "non-Primary" not in cluster.nodes[0].sql("SHOW STATUS LIKE 'wsrep_cluster_status'"):
            if time.monotonic() > began + CUT_S:
                raise RuntimeError("the node does not notice that it is alone")
            time.sleep(0.05)
        sys.stdout.write(f"the node takes itself for alone after {time.monotonic() - began:.1f} s\n")
        time.sleep(max(0.0, began + CUT_S - time.monotonic()))
    healed = time.monotonic()
    cluster.wait_until_whole()
    sys.stdout.write(f"all nodes have everything {time.monotonic() - healed:.1f} s after the cut has ended\n")


async def main() -> list[str]:
    network.begin()
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(galera(HOSTS))
        database = cluster.database()
        await asyncio.sleep(CALM_S)
        doors: dict[str, Any] = {}
        for name, nodes in NODES.items():
            uri = cluster.uri(database, *nodes) + "?ssl-mode=DISABLED"
            doors[name] = AsyncReseal(Settings(api_domain="https://api.example.com", database_uri=uri)).backend
            await doors[name].open()
            stack.push_async_callback(doors[name].close)
        crowd = Crowd(PLACES, doors)
        await _live(crowd)
        for _ in range(2):
            await _cut_and_tell(cluster, crowd)
        await _compare(cluster, database, crowd)
        await crowd.look_back(doors["far"])
    if crowd.signed_out.total():
        crowd.wrong.append(f"signed out: {crowd.signed_out}")
    return crowd.wrong


async def _cut_and_tell(cluster: Galera, crowd: Crowd) -> None:
    crowd.done.clear()
    crowd.refused.clear()
    pauses = Pauses(crowd)
    watching = asyncio.create_task(pauses.watch())
    await crowd.during(lambda: _cut(cluster))
    watching.cancel()
    sys.stdout.write("| users | acknowledged | refused | nothing acknowledged for |\n")
    for place in PLACES:
        done = sum(crowd.done[place, what] for what in KINDS)
        sys.stdout.write(f"| {place} | {done} | {crowd.refused[place]} | {pauses.longest[place]:.1f} s |\n")
    await _live(crowd)


async def _live(crowd: Crowd) -> None:
    began = time.monotonic()
    await crowd.live(lambda: time.monotonic() > began + CALM_S)


async def _compare(cluster: Galera, database: str, crowd: Crowd) -> None:
    """Compare what each node has with what was acknowledged."""
    for node, host in enumerate(HOSTS):
        store = AsyncMariaDBStore(cluster.uri(database, node) + "?ssl-mode=DISABLED")
        await store.open()
        try:
            lost = await crowd.compare(store)
        except StoreUnavailable as error:
            crowd.wrong.append(f"{host} is not back: {error}")
        else:
            if lost.total():
                crowd.wrong.append(f"{host} has lost {lost}")
        finally:
            await store.close()


if __name__ == "__main__":
    found = asyncio.run(main())
    sys.stdout.write("\n".join(found))
    raise SystemExit(1 if found else 0)
