"""What a fail-over costs the Redis store: users refresh and sign in while a master dies or stands still.

python -m bench.redis_failover [--only kill freeze] [--replicas 1|2]

A cluster of three masters runs on loopback, with one or two replicas each; a minute for each row. A row tells what
clients saw: for how long none of the sessions of that master could be refreshed, how many acknowledged sign-ins and
refreshes the cluster had lost afterwards, how many users were signed out whose session was still there, and how many
were accused.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.measure import print_machine
from reseal import AsyncReseal, Settings
from reseal.core.errors import ResealError, StoreUnavailable, TokenTheftDetected
from tests.support.redis import RedisServer
from tests.support.redis_cluster import RedisCluster, cluster, until

API = "https://api.example.com"
USERS = 60
FAULTS = ("kill", "freeze")
ACKNOWLEDGE = ("fsync", "replicas:1")


@dataclass
class Seen:
    """What the clients saw."""

    tokens: dict[str, str] = field(default_factory=dict)
    """The newest refresh token of each user that was acknowledged."""
    refreshes: int = 0
    refused: int = 0
    longest_pause: float = 0.0
    """Seconds, of the user that waited longest."""


async def live(sessions: AsyncReseal, name: str, seen: Seen, is_over: Callable[[], bool]) -> None:
    """Sign in, and refresh as quickly as it goes."""
    token, last = "", time.monotonic()
    while not is_over():
        try:
            if token:
                pair = await sessions.backend.refresh(token)
            else:
                pair = await sessions.backend.create(name)
        except StoreUnavailable:
            seen.refused += 1
            await asyncio.sleep(0.02)
            continue
        token = pair.refresh_token or ""
        seen.tokens[name], seen.refreshes = token, seen.refreshes + 1
        seen.longest_pause, last = max(seen.longest_pause, time.monotonic() - last), time.monotonic()
        await asyncio.sleep(0.02)


async def row(nodes: RedisCluster, fault: str, acknowledge: str) -> None:
    settings = Settings(api_domain=API, database_uri=nodes.uri(f"&acknowledge={acknowledge}"))
    sessions, seen = AsyncReseal(settings), Seen()
    await sessions.backend.open()
    end = [float("inf")]
    users = [
        asyncio.create_task(live(sessions, f"user {n}", seen, lambda: time.monotonic() > end[0])) for n in range(USERS)
    ]
    await asyncio.sleep(2)
    await asyncio.to_thread(COURSES[fault], nodes, nodes.masters()[0])
    end[0] = time.monotonic() + 3
    await asyncio.gather(*users)
    lost = accused = 0
    for token in seen.tokens.values():
        try:
            await sessions.backend.refresh(token)
        except TokenTheftDetected:
            accused += 1
        except ResealError:
            lost += 1
    await sessions.backend.close()
    counts = (fault, acknowledge, seen.refreshes, seen.refused, f"{seen.longest_pause:.1f} s", lost, accused)
    print(f"| {' | '.join(map(str, counts))} |", flush=True)


def kill(nodes: RedisCluster, victim: RedisServer) -> None:
    """Kill a master, and start it again when a replica has taken its place."""
    victim.kill()
    until(lambda: len(nodes.masters()) == 3)
    time.sleep(3)  # writes go to the new master alone for a while, before the old one comes back without them
    victim.start()
    nodes.until_whole()


def freeze(nodes: RedisCluster, victim: RedisServer) -> None:
    """Stop a master for five seconds, and wake it."""
    victim.freeze()
    time.sleep(5)  # longer than it takes to replace a master: it wakes as one that was replaced
    victim.wake()
    nodes.until_whole()


COURSES = {"kill": kill, "freeze": freeze}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--replicas", type=int, default=1, choices=(1, 2), help="of each master")
    given = parser.parse_args()
    print_machine()
    print(f"\n{given.replicas} replicas of each of three masters, {USERS} users\n")
    print("| fault | acknowledged by | writes | refused | longest pause | signed out | accused |")
    print("|---|---|---|---|---|---|---|")
    for fault in given.only:
        for acknowledge in ACKNOWLEDGE:
            with cluster(given.replicas) as nodes:
                asyncio.run(row(nodes, fault, acknowledge))


if __name__ == "__main__":
    main()
