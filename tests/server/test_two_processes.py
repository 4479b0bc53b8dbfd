"""Two processes of the service over one PostgreSQL: one line of tokens for each session, whatever fails meanwhile.

Experiments E06, E01, E03, E20, E21 and E22 of the reliability tests, in the size that fits a test run; ``bench/soak.py`` runs them for
as long as one likes, and takes the time.
"""

from __future__ import annotations

import asyncio
from itertools import repeat

import psycopg
import pytest

from reseal.stores.sql_files import schema_steps
from tests.server.experiments import (
    Report,
    crash_store,
    kill_processes,
    leave_in_turn,
    present_at_once,
    steal,
)
from tests.server.load import Load

NEXT_VERSION = """
import reseal._async.stores.postgres_server as server
steps = server.schema_steps
server.schema_steps = lambda name: (
    *steps(name),
    "ALTER TABLE reseal_session ADD COLUMN coming text;\\n\\nCREATE INDEX reseal_session_coming ON reseal_session (coming);\\n",
)
"""
"""A version to come, whose tables have a further step."""
ROUNDS = 50
"""How often 64 callers refresh one token."""
STEPS = schema_steps("postgres")
FAULTS = 20
"""How often a process is killed, or the database, if the machine is not too busy. Without ``--whole`` it is a third of both."""


async def test_of_64_who_refresh_one_token_on_both_all_get_the_same_child(start_sharing, rounds):
    processes, report = await start_sharing(2), Report()
    rings = [await each.call("GET", "/.well-known/jwks.json") for each in processes]
    assert rings[0] == rings[1]
    assert [key["kid"][:2] for key in rings[0][1]["keys"]] == ["d-", "s-"], "they began together: one set of keys"
    _, reply = await processes[0].create("user")
    for _ in rounds(ROUNDS, fewest=4):
        reply = await present_at_once(processes, reply["refreshToken"]["token"], report)
        assert report.violations == []


async def test_a_killed_process_loses_nothing_and_nobody_is_accused(sharing, rounds):
    load, report = Load(await sharing.start(2)), Report()
    await load.during(kill_processes(sharing, load, rounds(FAULTS, fewest=3), report))
    await load.nothing_was_lost()
    assert report.violations + load.violations == []
    assert load.seen[0] > 0, "nobody met the killed process"
    assert load.seen[503] == 0
    assert load.seen["remove"] > 0
    assert not report.failed_afterwards, "a process that says it has started answers every call"


async def test_while_postgresql_is_down_the_answer_is_503_and_afterwards_nothing_is_lost(sharing, server, rounds):
    load, report = Load(await sharing.start(2)), Report()
    await load.during(crash_store(server, load, rounds(FAULTS, fewest=3), report))
    await load.nothing_was_lost()
    assert report.violations + load.violations == []
    assert load.seen[0] == 0, "a process died or hung"
    assert not report.failed_afterwards, "once the database takes connections, every call is answered at the first try"
    for process in load.processes:
        assert await process.ready() == 200


async def test_a_thief_is_found_while_processes_are_killed_and_nobody_else_is_accused(sharing, rounds):
    load, report = Load(await sharing.start(2)), Report()

    async def faults():
        thief = asyncio.ensure_future(steal(load, sharing.stolen, repeat(None), report))
        try:
            await kill_processes(sharing, load, rounds(5, fewest=3), report)
        finally:
            thief.cancel()

    await load.during(faults())
    await load.nothing_was_lost()
    assert report.violations + load.violations == []
    assert report.thefts >= 3


async def test_of_two_processes_one_after_the_other_leaves_and_the_application_notices_nothing(sharing, rounds):
    report = Report()
    await leave_in_turn(sharing, rounds(4, fewest=2), report)
    assert report.violations == []


async def test_two_processes_are_upgraded_one_after_the_other_and_the_application_notices_nothing(sharing, server):
    report = Report()
    await leave_in_turn(sharing, range(2), report, next_version=NEXT_VERSION)
    assert report.violations == []
    with psycopg.connect(sharing.uri) as connection:
        assert connection.execute("SELECT max(version) FROM reseal_schema").fetchone() == (len(STEPS) + 1,)
    [newer] = await sharing.start(1, before=NEXT_VERSION)
    assert await newer.ready() == 200
    with pytest.raises(AssertionError, match="newer than"):
        await sharing.start(1)  # back to the version before: it says why not
