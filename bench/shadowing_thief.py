"""A thief who knows the owner's rhythm: copies the jar once, refreshes whenever the owner does, and uses nothing.

``python -m bench.shadowing_thief`` runs 500 seeded thieves against each policy, embedded and over the core interface,
and prints how many were found and when. Simulated time; nothing waits.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from statistics import median

from reseal import AsyncEngine, AsyncMemoryStore, Settings
from reseal.core.errors import TokenTheftDetected
from reseal.testing import ManualClock, Recorder
from tests.server.material import Core

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS = 60
IDLE_MINUTES = 14 * 24 * 60
NEARNESS = 2 * MINUTE
RUNS = 500
THIEVES = {
    "near": lambda chance: chance.randint(-NEARNESS, NEARNESS),
    "always first": lambda chance: -chance.randint(1, NEARNESS),
    "exactly in step": lambda chance: chance.randint(-29_999, 29_999),
}
"""Each thief's distance from the owner's refresh."""


class Found(Exception):
    """The theft was found."""


class Embedded:
    """Sessions over an engine. Nobody's access token comes to the store, but under ``classic`` the owner's."""

    def __init__(self, policy):
        self.clock, self.events = ManualClock(), Recorder()
        settings = Settings(
            api_domain="https://api.example.com", refresh_token_validity=IDLE_MINUTES, rotation_policy=policy
        )
        self._engine = AsyncEngine(settings, AsyncMemoryStore(self.clock), clock=self.clock, on_event=self.events)

    async def open(self):
        await self._engine.open()

    async def create(self, user):
        return (await self._engine.create(user)).refresh_token

    async def refresh(self, token, *, use):
        try:
            pair = await self._engine.refresh(token)
        except TokenTheftDetected:
            raise Found from None
        if use and pair.claims.unconfirmed:
            await self._engine.check(pair.claims)
        return pair.refresh_token

    async def close(self):
        await self._engine.close()


class Unverified(Embedded):
    """The same, but nobody's access token ever comes to the store."""

    async def refresh(self, token, *, use):  # noqa: ARG002
        return await super().refresh(token, use=False)


class Events(Recorder):
    """What the service tells."""

    def append(self, event):
        self(event)


class Wire:
    """Sessions over the core interface, with the service's defaults. The owner's SDK verifies each new access token."""

    def __init__(self, cdi):
        self.events = Events()
        self._cdi = cdi
        self._core = Core(
            events=self.events, refresh_token_validity=IDLE_MINUTES, access_token_signing_algorithm="ES256"
        )
        self.clock = self._core.clock

    async def open(self):
        await self._core.service.open()

    async def create(self, user):
        return (await self._core.create(user, cdi=self._cdi))["refreshToken"]["token"]

    async def refresh(self, token, *, use):
        shown = await self._core.refresh(token, cdi=self._cdi)
        if shown["status"] == "TOKEN_THEFT_DETECTED":
            raise Found
        if use:
            await self._core.verify(shown["accessToken"]["token"], cdi=self._cdi)
        return shown["refreshToken"]["token"]

    async def close(self):
        await self._core.service.close()


SIDES = {
    "graceful": lambda: Embedded("graceful"),
    "classic": lambda: Embedded("classic"),
    "classic, nothing ever checked": lambda: Unverified("classic"),
    "CDI 5.4": lambda: Wire("5.4"),
    "CDI 5.6": lambda: Wire("5.6"),
}


class Pursuit:
    """One session that two parties hold, over many days. One after the other on one side."""

    def __init__(self, side, seed):
        self.side, self.user = side, f"user {seed}"
        self.chance = random.Random(seed)
        self.clock, self.events = side.clock, side.events
        self.events.forget()
        self.began = self.clock.wall()
        self.tokens = {}

    def owner_s_refreshes(self):
        """The owner's moments: an hour and a bit apart while active, with evenings, and days, off."""
        at = self.began
        while at < self.began + DAYS * DAY:
            for _ in range(self.chance.randint(2, 14)):
                at += HOUR + self.chance.randint(0, 20 * MINUTE)
                yield at
            at += self.chance.choice((8, 10, 12, 36)) * HOUR

    async def run(self, thief):
        """Return the days until the theft was found, or ``None``."""
        self.tokens = dict.fromkeys(("owner", "thief"), await self.side.create(self.user))
        try:
            for at in self.owner_s_refreshes():
                for moment, party in sorted([(at, "owner"), (at + THIEVES[thief](self.chance), "thief")]):
                    self.clock.advance(max(0, moment - self.clock.wall()))
                    await self.refresh(party)
        except Found:
            return (self.clock.wall() - self.began) / DAY
        return None

    async def refresh(self, party):
        self.tokens[party] = await self.side.refresh(self.tokens[party], use=party == "owner")


async def pursue(name, thief, seeds):
    """Run a pursuit for each seed; return the days until each thief was found, ``None`` for one that was not."""
    side = SIDES[name]()
    await side.open()
    try:
        return [await Pursuit(side, seed).run(thief) for seed in seeds]
    finally:
        await side.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    print("| sessions | thief | found | median | at most |")
    print("|---|---|---|---|---|")
    for side in SIDES:
        for thief in ("near", "always first"):
            days = asyncio.run(pursue(side, thief, range(runs)))
            sure = [each for each in days if each is not None]
            told = f"{len(sure)} of {runs} | {24 * median(sure):.0f} h | {max(sure):.1f} days"
            print(f"| {side} | {thief} | {told} |", flush=True)


if __name__ == "__main__":
    main()
