"""A program: users of an application, which verifies their tokens itself, by its own clock (reliability: E09).

python -m tests.faults.visits HOSTS ROUNDS: signs in, refreshes so often, signs out; prints how many tokens it accepted.
"""

from __future__ import annotations

import asyncio
import sys

from reseal import AsyncRemote, Settings
from reseal.core.errors import TryRefreshToken


async def main(hosts: str, rounds: int) -> int:
    accepted = 0
    async with AsyncRemote(Settings(api_domain="https://api.example.com"), hosts) as remote:
        pair = await remote.create("visitor")
        for _ in range(rounds):
            pair = await remote.refresh(pair.refresh_token or "")
            try:
                remote.verify(pair.access_token)
                accepted += 1
            except TryRefreshToken:
                pass  # its clock and the issuer's do not agree
            await remote.check(pair.claims)
        await remote.revoke([pair.claims.sid])
    return accepted


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(sys.argv[1], int(sys.argv[2])))}\n")
