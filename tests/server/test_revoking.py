"""Revoking races with refreshing, on two processes over one PostgreSQL (security: S51)."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.server.sharing import PATIENCE

RACES = 1_000
"""As many as there is time for."""
AT_ONCE = 25
STEPS = 3
"""Refreshes in a row of each session."""
GONE = "UNAUTHORISED"


@dataclass
class History:
    """What was seen of one session."""

    handle: str
    tokens: list[str]
    """Every refresh token that was handed out, the newest at the end."""
    access_token: str
    refreshes: list[tuple[float, bool]] = field(default_factory=list)
    """When each began, and whether it succeeded."""
    revoked_at: float = 0.0
    """When the revocation was acknowledged."""


async def test_no_refresh_that_begins_after_an_acknowledged_revocation_succeeds(start_sharing, rounds):
    processes = await start_sharing(2)
    chance, left = random.Random(1), rounds(RACES, fewest=100)

    async def runner():
        return [await race(processes, chance) for _ in left]

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        runners = [group.create_task(runner()) for _ in range(AT_ONCE)]
    histories = [history for each in runners for history in each.result()]
    outcomes = [each for history in histories for each in told(history)]
    assert ("refreshed", "after") not in outcomes
    assert outcomes.count(("refreshed", "before")) > len(histories) / 10, "the revocation always came first"
    assert outcomes.count(("refused", "after")) > len(histories) / 10, "the revocation always came last"
    assert ("refused", "before") in outcomes, "they never met"


async def race(processes, chance):
    """Refresh a session several times in a row while it is revoked; afterwards nothing of it opens anything."""
    _, made = await chance.choice(processes).create("user")
    history = History(made["session"]["handle"], [made["refreshToken"]["token"]], made["accessToken"]["token"])
    await asyncio.gather(_refresh(history, processes, chance), _revoke(history, chance.choice(processes), chance))
    for process in processes:
        status, reply = await process.refresh(history.tokens[-1])
        assert (status, reply["status"]) == (200, GONE)
        status, reply = await process.verify(history.access_token, check_database=True)
        assert (status, reply["status"]) == (200, GONE)
        status, reply = await process.call("GET", "/recipe/session", sessionHandle=history.handle)
        assert (status, reply["status"]) == (200, GONE)
    return history


async def _refresh(history, processes, chance):
    for _ in range(STEPS):
        await asyncio.sleep(chance.uniform(0, 0.03))
        began = time.monotonic()
        status, reply = await chance.choice(processes).refresh(history.tokens[-1])
        assert (status, reply["status"]) in {(200, "OK"), (200, GONE)}
        history.refreshes.append((began, reply["status"] == "OK"))
        if reply["status"] == "OK":
            history.tokens.append(reply["refreshToken"]["token"])
            history.access_token = reply["accessToken"]["token"]


async def _revoke(history, process, chance):
    await asyncio.sleep(chance.uniform(0, 0.1))
    status, reply = await process.post("/recipe/session/remove", {"sessionHandles": [history.handle]})
    assert (status, reply["sessionHandlesRevoked"]) == (200, [history.handle])
    history.revoked_at = time.monotonic()


def told(history):
    """Say of each refresh what came of it, and whether it began before the revocation was acknowledged or after."""
    for began, succeeded in history.refreshes:
        yield ("refreshed" if succeeded else "refused", "after" if began > history.revoked_at else "before")
