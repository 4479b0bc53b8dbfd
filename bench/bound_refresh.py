"""A refresh of a session that is bound to a device, against one that is not: both kinds, in turns, over memory.

python -m bench.bound_refresh [--rounds 30]

The proofs are signed beforehand, as a device does. Wanted is at most one check of a signature more; that check alone
takes its turns too, also with the key parsed anew, as for a session that was not refreshed here for long.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable

from bench.measure import difference, median, micro, print_machine, ratio, turns
from reseal import AsyncEngine, AsyncMemoryStore, Settings
from reseal.core import proofs
from reseal.core.dpop import Shown
from reseal.core.keys import read_public_key, signature_is_good
from reseal.core.tokens import TokenPair
from tests.support.device import Device
from tests.support.program import proof

SESSIONS = 100
"""Refreshes in a turn, each of a session of its own."""
URL = "https://api.example.com/session/refresh"
UNBOUND, CHECK, READ = "unbound", "one check of a signature, ES256", "the same, the key read from its JWK"


class Kind:
    """Sessions of one kind, and the key of their devices."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._device = Device()
        self._pairs: list[TokenPair] = []

    async def begin(self) -> None:
        """Begin the sessions, and bind them."""
        for number in range(SESSIONS):
            at_once = self._dpop() if self.name == "dpop" else None
            pair = await self._engine.create(f"user-{number}", proof=at_once)
            if self.name == "dbsc":
                await self._engine.bind(_token(pair), self._device.proof(pair.challenge or "", brings_key=True))
            self._pairs.append(pair)

    def prepare(self) -> list[tuple[str, str | Shown | None]]:
        """Sign a proof for each session."""
        return [(_token(pair), self._proof(pair)) for pair in self._pairs]

    async def refresh(self, sent: list[tuple[str, str | Shown | None]]) -> None:
        """Refresh each session once."""
        self._pairs = [await self._engine.refresh(token, proof=shown) for token, shown in sent]

    def checks(self) -> dict[str, Callable[[], bool]]:
        """Give one check of a signature, and of nothing else: with a key that is at hand, and with one of a session."""
        message, jwk = b"m" * 200, self._device.jwk
        signature, key = self._device.sign(message), proofs.device_key("ES256", jwk)
        return {
            CHECK: lambda: signature_is_good(key.public, message, signature),
            READ: lambda: signature_is_good(read_public_key("ES256", jwk), message, signature),
        }

    def _proof(self, pair: TokenPair) -> str | Shown | None:
        if self.name == "dbsc":
            return self._device.proof(pair.challenge or "", brings_key=False)
        return self._dpop() if self.name == "dpop" else None

    def _dpop(self) -> Shown:
        return Shown(proof(self._device, "POST", URL, time.time()), "POST", URL)


def _token(pair: TokenPair) -> str:
    if pair.refresh_token is None:
        raise LookupError("a refresh token is missing")
    return pair.refresh_token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    print_machine()
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}\n")
    asyncio.run(compare(options.rounds))


async def compare(rounds: int) -> None:
    """Print what a refresh takes of each kind, and what that is against an unbound one."""
    settings = Settings(
        api_domain="https://api.example.com", device_binding="offer", access_token_signing_algorithm="ES256"
    )
    async with AsyncEngine(settings, AsyncMemoryStore()) as engine:
        kinds = [Kind(engine, name) for name in (UNBOUND, "dbsc", "dpop")]
        for kind in kinds:
            await kind.begin()
        seconds = {name: each[1:] for name, each in (await _taken({kind.name: kind for kind in kinds}, rounds)).items()}
    check = seconds[READ]
    for name, each in seconds.items():
        line = f"{name:<37}{micro(median(each))}"
        if name not in {CHECK, READ, UNBOUND}:
            more = difference(each, seconds[UNBOUND])
            line += f"   {ratio(each, seconds[UNBOUND]):.2f} × unbound, + {more / median(check):.2f} of the last"
        print(line)


async def _taken(kinds: dict[str, Kind], rounds: int) -> dict[str, list[float]]:
    """Let all take turns; the first round warms up. Give the processor seconds of a refresh, and of a check."""
    seconds: dict[str, list[float]] = {name: [] for name in (*kinds, CHECK, READ)}
    checks = kinds[UNBOUND].checks()
    for name in turns(seconds, rounds + 1):
        sent = kinds[name].prepare() if name in kinds else []
        began = time.thread_time()
        if name in kinds:
            await kinds[name].refresh(sent)
        else:
            for _ in range(SESSIONS):
                checks[name]()
        seconds[name].append((time.thread_time() - began) / SESSIONS)
    return seconds


if __name__ == "__main__":
    main()
