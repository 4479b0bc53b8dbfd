"""How many honest clients are taken for thieves, and how long thieves live. Seeded; simulated time; nothing waits.

``python bench/honest_clients.py`` prints the tables of ``docs/benchmarks.md``. Honest clients refresh whenever their
access token has expired, day and night; a lost response is requested again minutes later, and again if that is
lost too. A thief has copied the cookies, and he and the owner refresh once in each generation, in either order.

Two ways to the same numbers: on the engine, over a store in memory with a moved clock, and on the counting alone, which
is fast enough for many. The rule before the registers, a budget of two generations in 24 hours, is here in a few lines.
"""

from __future__ import annotations

import argparse
import math
import random
from statistics import median

from reseal import Engine, MemoryStore, Settings
from reseal.core import register
from reseal.core.errors import TokenTheftDetected
from reseal.testing import ManualClock

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS = 30
LATE = (2 * MINUTE, 20 * MINUTE)
"""Delay of the retry after a lost response: outside the race window, before the access token would have expired."""
SPELL_EVERY, SPELL_LENGTH, SPELL_LOSS = 3 * DAY, HOUR, 0.3
LIVES = (15 * MINUTE, HOUR)
LOSSES = (0.001, 0.005, 0.02)
IN_WINDOW = (0, 0.3, 0.5, 0.7, 0.8, 0.9)


class Network:
    """Loses answers: each with the same chance, and many more in spells."""

    def __init__(self, chance, loss, *, spells):
        self._chance, self._loss, self._spells = chance, loss, spells
        self._phase = chance.randrange(SPELL_EVERY)

    def loses(self, now):
        return self._chance.random() < self._chances(now)[0]

    def losses_from(self, now, life):
        """Return how many generations go well from now on, and whether the next one's answer is lost then.

        As many draws as :meth:`loses` makes, in one.
        """
        loss, until = self._chances(now + life)
        most = max(1, -(-until // life))
        well = int(math.log(1 - self._chance.random()) / math.log(1 - loss))
        return (well, True) if well < most else (most, False)

    def _chances(self, now):
        """Return the probability of a loss at a time, and how long it holds."""
        if not self._spells:
            return self._loss, DAYS * DAY
        into = (now + self._phase) % SPELL_EVERY
        if into < SPELL_LENGTH:
            return SPELL_LOSS, SPELL_LENGTH - into
        return self._loss, SPELL_EVERY - into


# -- the counting alone ---------------------------------------------------------------------------------------------


class Budget:
    """The rule before: two generations in 24 hours, and never three in a row however far apart."""

    def __init__(self):
        self._count = self._began = 0
        self._generation = self._counted = 0

    def go_on(self, generations):
        self._generation += generations

    def collide(self, now, worth):  # noqa: ARG002 - it knew no keys
        """Note a collision of this generation; return whether it is one too many."""
        in_a_row = self._counted == self._generation - 1
        if self._count == 0 or (now - self._began >= DAY and not in_a_row):
            self._count, self._began = 0, now
        self._count += 1
        self._counted = self._generation
        return self._count > 2


class Registers:
    """The rule of today."""

    def __init__(self):
        self._collided = self._estranged = 0

    def go_on(self, generations):
        """Begin so many generations."""
        self._collided = register.aged(self._collided, generations)
        self._estranged = register.aged(self._estranged, generations)

    def collide(self, now, worth):  # noqa: ARG002 - only generations count
        """Do the same."""
        self._collided |= 1
        self._estranged |= worth > 1
        return register.is_full(self._collided, self._estranged)


def accused_by_counting(rule, seed, life, loss, *, spells):
    """Run one honest client; return whether it is taken for a thief."""
    chance = random.Random(seed)
    network, count, now = Network(chance, loss, spells=spells), rule(), 0
    while True:
        well, lost = network.losses_from(now, life)
        now += (well + lost) * life
        if now >= DAYS * DAY:
            return False
        count.go_on(well + lost)
        if lost:
            now += chance.randint(*LATE)
            if count.collide(now, 1):
                return True
            while network.loses(now):
                now += chance.randint(*LATE)


def found_by_counting(rule, seed, in_window, *, keyed=False):
    """Run one thief; return the hours until he is found, ``None`` if he is not within 60 days."""
    chance, count = random.Random(seed), rule()
    for hour in range(1, 60 * 24):
        count.go_on(1)
        if chance.random() >= in_window and count.collide(hour * HOUR, 2 if keyed else 1):
            return hour
    return None


# -- the engine -----------------------------------------------------------------------------------------------------


class World:
    """One engine over a store in memory, whose clock is moved."""

    def __init__(self, **settings):
        self.clock = ManualClock()
        settings = {"refresh_token_validity": DAYS * 24 * 60} | settings
        self.engine = Engine(
            Settings(api_domain="https://api.example.com", **settings),
            MemoryStore(self.clock),
            clock=self.clock,
            on_event=lambda _event: None,
        )
        self.engine.open()


def accused_on_engine(seed, life, loss, *, spells, keyed, **settings):
    """Run one honest client on the engine; return whether it is taken for a thief. ``keyed``: it sends attempt keys."""
    world, chance = World(**settings), random.Random(seed)
    network, began = Network(chance, loss, spells=spells), world.clock.wall()
    token = world.engine.create("owner").refresh_token
    while world.clock.wall() < began + DAYS * DAY:
        world.clock.advance(life)
        key = f"key-{chance.getrandbits(64)}" if keyed else None
        while True:
            try:
                answer = world.engine.refresh(token, attempt_key=key).refresh_token
            except TokenTheftDetected:
                return True
            if not network.loses(world.clock.wall()):
                break
            world.clock.advance(chance.randint(*LATE))
        token = answer
    return False


def found_on_engine(seed, in_window, *, owner_s_keys=False, thief_s_keys=False, **settings):
    """Run one thief who copied jar and storage at rest; return the hours until he is found, ``None`` after 60 days."""
    world, chance = World(**settings), random.Random(seed)
    copied = world.engine.create("owner").refresh_token
    tokens = {"owner": copied, "thief": copied}
    sends = {"owner": owner_s_keys, "thief": thief_s_keys}
    for hour in range(1, 60 * 24):
        world.clock.advance(HOUR)
        for party in chance.sample(("owner", "thief"), 2):
            key = f"{party}-{hour}" if sends[party] else None
            try:
                tokens[party] = world.engine.refresh(tokens[party], attempt_key=key).refresh_token
            except TokenTheftDetected:
                return hour
            world.clock.advance(1000 if chance.random() < in_window else MINUTE)
    return None


# -- tables ---------------------------------------------------------------------------------------------------------


def percent(outcomes):
    outcomes = list(outcomes)
    return f"{100 * sum(outcomes) / len(outcomes):.2f} %"


def honest_table(clients, on_engine):
    print("| access token | lost | spells of 30 % | budget (before) | register | on the engine | with attempt keys |")
    print("|---|---|---|---|---|---|---|")
    for life in LIVES:
        for loss in LOSSES:
            for spells in (False, True):
                how = {"life": life, "loss": loss, "spells": spells}
                before, after = (
                    percent(accused_by_counting(rule, seed, **how) for seed in range(clients))
                    for rule in (Budget, Registers)
                )
                engine, keyed = (
                    percent(accused_on_engine(seed, **how, keyed=keyed) for seed in range(on_engine))
                    for keyed in (False, True)
                )
                named = f"{life // MINUTE} min", f"{100 * loss:g} %", "yes" if spells else "no"
                print("|", " | ".join((*named, before, after, engine, keyed)), "|", flush=True)


def thief_table(thieves, on_engine):
    print("| in the race window | budget (before) | register | on the engine | with attempt keys |")
    print("|---|---|---|---|---|")
    for in_window in IN_WINDOW:
        columns = [
            [found_by_counting(rule, seed, in_window) for seed in range(thieves)] for rule in (Budget, Registers)
        ]
        columns += [
            [found_on_engine(seed, in_window, owner_s_keys=keyed) for seed in range(on_engine)]
            for keyed in (False, True)
        ]
        print("|", f"{100 * in_window:g} %", "|", " | ".join(map(hours, columns)), "|", flush=True)


def hours(found):
    """Write the median and the last, in hours; who was not found within 60 days is named."""
    sure = sorted(each for each in found if each is not None)
    missed = len(found) - len(sure)
    return f"{median(sure):g} h, at most {sure[-1]} h" + (f", {missed} of {len(found)} not found" if missed else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--clients", type=int, default=20_000, help="clients of each line by counting alone; thieves: a tenth"
    )
    parser.add_argument("--on-engine", type=int, default=100, help="clients, and thieves, of each line on the engine")
    given = parser.parse_args()
    honest_table(given.clients, given.on_engine)
    print()
    thief_table(given.clients // 10, given.on_engine)


if __name__ == "__main__":
    main()
