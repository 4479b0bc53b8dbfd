"""What a fail-over costs the PostgreSQL store: users refresh, sign in and sign out while the primary dies.

python -m bench.postgres_failover [--rounds 3]

A primary and a standby run on loopback; the primary is killed and the standby promoted at once, so that what is
measured is what clients add to it. The rows tell for how long nobody's write was acknowledged, how many acknowledged
sessions the promoted server lacks, how many were signed out although it has theirs, how many were accused, and how many
sessions live although their end was acknowledged. In the last row the standby had received nothing for half a second.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from bench.measure import print_machine
from reseal.testing.recorder import Recorder
from tests.support.failover import USERS, cut_off, engine_of, look_back, under_load
from tests.support.postgres import pair

BEHIND_S = 0.5


async def row(name: str, *, synchronous: bool, behind: bool) -> None:
    with pair(synchronous=synchronous) as (primary, standby):

        def fail_over() -> None:
            if behind:
                cut_off(standby)
                time.sleep(BEHIND_S)  # what is written meanwhile is what a standby that lags does not have
            primary.kill()
            standby.promote()

        events = Recorder()
        async with engine_of(primary, standby, on_event=events) as engine:
            seen = await under_load(engine, fail_over, before=2, after=2)
            outcome = await look_back(engine, seen, events)
    counts = (name, seen.writes, seen.refused, f"{seen.pause:.2f} s", outcome.lost, outcome.signed_out, outcome.accused,
              outcome.revived, outcome.rolled_back)  # fmt: skip
    print(f"| {' | '.join(map(str, counts))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print_machine()
    print(f"\n{USERS} users\n")
    print("| standby | writes | refused | without writes | lost | signed out | accused | revived | rolled back |")
    print("|---|---|---|---|---|---|---|---|---|")
    for _ in range(rounds):
        asyncio.run(row("synchronous", synchronous=True, behind=False))
        asyncio.run(row("asynchronous", synchronous=False, behind=False))
        asyncio.run(row("asynchronous, behind", synchronous=False, behind=True))


if __name__ == "__main__":
    main()
