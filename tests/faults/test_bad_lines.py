"""The line to the database is slow, cut, stalls, or is deaf in one direction, and heals (reliability: E14, E17)."""

from __future__ import annotations

import statistics

import pytest

from reseal import AsyncReseal, Settings
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support.bad_line import bad_line
from tests.support.redis_cluster import until
from tests.support.users import Users

pytestmark = pytest.mark.whole  # it measures times, and a busy machine makes them longer
API = "https://api.example.com"
LONGEST = 40
"""Seconds that no answer takes: three calls of a store, of 12 s at most each, and what a busy machine adds."""

STALLS = 20
MOST = 26
"""Seconds in which 99 of 100 answers come on a line that stalls: two calls of a store, and what a busy machine adds."""


def more(users, count, seconds=30):
    """Wait for so many more answers, of whatever kind."""
    wanted = users.done + users.refused + count
    until(lambda: users.done + users.refused > wanted, seconds)


def slow(line, users):
    """The delay grows to two seconds, in each direction."""
    for delay in (0.05, 0.2, 1.0, 2.0):
        line.delay = delay
        more(users, len(users.all), 120)


def stalls(line, users):
    """Of the pieces that pass, one in a hundred stays for half a minute, and with it all that follow on its connection."""
    line.stalls = 0.01
    until(lambda: line.stalled >= STALLS, 180)


def one_way(direction):
    def deaf(line, users):
        setattr(line, direction, False)
        more(users, len(users.all), 60)

    return deaf


def cut(line, users):
    for _ in range(20):
        line.cut()
        more(users, 1)


FAULTS = {
    "slow": slow,
    "stalls": stalls,
    "the server hears nothing": one_way("takes"),
    "the client hears nothing": one_way("answers"),
    "cut": cut,
}


@pytest.mark.parametrize("fault", ["slow", "stalls", "the server hears nothing",
                                   "the client hears nothing", "cut"])  # fmt: skip
@pytest.mark.parametrize("engine", ["postgres", "mariadb", "redis_server"])
async def test_a_bad_line_costs_time_and_no_session(request, engine, fault):
    server = request.getfixturevalue(engine)
    made = {"postgres": lambda: server.uri(server.schema()), "mariadb": lambda: server.uri(server.database())}
    uri = made.get(engine, server.uri)()
    with bad_line(server.port) as line:
        uri = uri.replace(f":{server.port}/", f":{line.port}/")
        events, users = Recorder(), Users()
        sessions = AsyncReseal(Settings(api_domain=API, database_uri=uri), on_event=events).backend
        await sessions.open()

        def course():
            until(lambda: users.done > 30)
            FAULTS[fault](line, users)
            line.heal()

        await users.during(sessions, course)
        await users.look_back(sessions)
        await sessions.close()
    assert users.violations == []
    assert events.named(EventName.STORE_ROLLED_BACK) == []
    assert statistics.quantiles(users.times, n=100)[-1] < MOST
    assert users.slowest < LONGEST
    assert users.slowest_verify < 1
