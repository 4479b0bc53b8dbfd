"""Of two processes of the service one has a clock that jumps, and so has an application (reliability: E09).

What a process says of an access token depends on its clock, and on that of the process that issued it. Sessions do not:
nobody is signed out, early or at all, and nobody is taken for a thief.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.server.history import GONE, OK
from tests.server.load import Load
from tests.server.sharing import Sharing
from tests.support.engines import ENGINES
from tests.support.wrong_clocks import WrongClock

pytestmark = pytest.mark.whole  # it starts many processes
JUMPS = (9, -9, 60, -60, 3600, -3600, 86_400, -86_400, 0)
LEEWAY = 10
VALIDITY = 1800
IDLE_MINUTES = 120
AGAIN = "'TRY_REFRESH_TOKEN'"
SETTINGS = {"RESEAL_ACCESS_TOKEN_VALIDITY": str(VALIDITY), "RESEAL_REFRESH_TOKEN_VALIDITY": str(IDLE_MINUTES)}


@pytest.fixture
async def sharing(request, tmp_path):
    with ENGINES[request.param]() as engine:
        own = Sharing(engine.make_store(), tmp_path)
        yield own
        await own.close()
        assert own.accused() == set()


def is_accepted(ahead):
    """Say whether a token is accepted that was issued by a clock so many seconds ahead of the one that judges."""
    return -VALIDITY < ahead <= LEEWAY


async def verdicts(right, wrong, jump):
    """See that both processes judge the tokens of both as their clocks say."""
    for issuer, judge, ahead in ((right, wrong, -jump), (wrong, right, jump), (wrong, wrong, 0), (right, right, 0)):
        _, made = await issuer.create("user")
        _, found = await judge.verify(made["accessToken"]["token"], check_database=True)
        assert (found["status"] == OK) is is_accepted(ahead), (jump, ahead, found)
        status, found = await judge.refresh(made["refreshToken"]["token"])
        assert (status, found["status"]) == (200, OK)
        await issuer.remove(made["session"]["handle"])
        assert (await judge.refresh(found["refreshToken"]["token"]))[1]["status"] == GONE


@pytest.mark.parametrize("sharing", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)
async def test_sessions_do_not_depend_on_the_clock_of_a_process(sharing, tmp_path):
    clock = WrongClock(tmp_path)
    [right] = await sharing.start(1, **SETTINGS)
    [wrong] = await sharing.start(1, **clock.variables, **SETTINGS)
    load = Load([right, wrong])
    seen = Counter()

    async def jumps():
        for jump in JUMPS:
            clock.is_ahead_by(jump)
            seen["jumps"] += 1
            await verdicts(right, load.processes[1], jump)
            await load.more(2 * load.clients)
        for jump in (3600, -3600):
            old = load.processes[1]
            old.kill()
            clock.is_ahead_by(jump)
            [load.processes[1]] = await sharing.start(1, **clock.variables, **SETTINGS)
            seen["starts"] += 1
            await old.connections.close()
            await verdicts(right, load.processes[1], jump)
            await load.more(2 * load.clients)
        clock.is_ahead_by(0)

    await load.during(jumps())
    await load.nothing_was_lost()
    wrong_ones = [text for text in load.violations if AGAIN not in text]
    assert wrong_ones == []
    assert load.seen[503] == 0, load.seen
    assert (seen["jumps"], seen["starts"]) == (9, 2)


@pytest.mark.parametrize("sharing", ["sqlite"], indirect=True)
@pytest.mark.parametrize("jump", [9, -9, 60, -60, 3600, -3600, 86_400, -86_400])
async def test_an_application_whose_clock_is_wrong_signs_nobody_out(sharing, tmp_path, jump):
    clock = WrongClock(tmp_path)
    clock.is_ahead_by(jump)
    [process] = await sharing.start(1, **SETTINGS)
    host, port = process.address
    command = [sys.executable, "-m", "tests.faults.visits", f"http://{host}:{port}", "20"]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=os.environ | clock.variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == (20 if is_accepted(-jump) else 0)
