"""Two processes of the service over one PostgreSQL: one line of tokens for each session, whatever fails meanwhile.

Experiments E06, E01 and E03 of the reliability tests, in the size that fits a test run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from tests.server.sharing import PATIENCE, generation, rounds

BROWSERS = 16
PACE = 0.01
"""Seconds between two requests of a browser."""
ROUNDS = 50
"""How often 64 callers refresh one token."""
FAULTS = 20
"""How often a process is killed, or the database, if the machine is not too busy."""
GONE = "UNAUTHORISED"


class Browser:
    """Refreshes, is verified, signs out and in again; remembers what was acknowledged."""

    def __init__(self, processes, name, seed):
        self._processes = processes
        self._chance = random.Random(seed)
        self.name = name
        self.refresh_token = None
        self.handle = None
        self.ended = []
        self.leaving = False
        """Whether the sign-out was sent and is not acknowledged yet."""
        self.seen = Counter()

    async def browse(self, until):
        while not until.is_set():
            await asyncio.sleep(PACE)
            process = self._chance.choice(self._processes)
            if self.refresh_token is None:
                await self._sign_in(process)
            elif self.leaving or self._chance.random() < 0.05:
                await self._sign_out(process)
            else:
                await self._refresh(process)

    async def _sign_in(self, process):
        status, reply = await process.create(self.name)
        if self._is_answer("create", status):
            self.refresh_token, self.handle = reply["refreshToken"]["token"], reply["session"]["handle"]

    async def _sign_out(self, process):
        self.leaving = True
        status, _ = await process.post("/recipe/session/remove", {"sessionHandles": [self.handle]})
        if self._is_answer("remove", status):
            self.ended.append((self.handle, self.refresh_token))
            self.refresh_token, self.leaving = None, False

    async def _refresh(self, process):
        status, reply = await process.refresh(self.refresh_token)
        if not self._is_answer("refresh", status):
            return
        assert reply["status"] == "OK", (self.name, reply)
        assert reply["session"]["handle"] == self.handle
        assert generation(reply["refreshToken"]["token"]) == generation(self.refresh_token) + 1
        self.refresh_token = reply["refreshToken"]["token"]
        if self._chance.random() < 0.5:
            other = self._chance.choice(self._processes)
            status, reply = await other.verify(reply["accessToken"]["token"], check_database=True)
            assert not self._is_answer("verify", status) or reply["status"] == "OK", (self.name, reply)

    def _is_answer(self, call, status):
        self.seen[call if status == 200 else status] += 1
        assert status in {0, 200, 503}, (call, status)
        return status == 200


async def nothing_was_lost(browsers, processes):
    """What was acknowledged holds: the newest token works and moves the line by one; who left is out."""
    one, other = processes
    for browser in browsers:
        if browser.refresh_token is not None and not browser.leaving:
            status, reply = await one.refresh(browser.refresh_token)
            assert (status, reply["status"]) == (200, "OK"), browser.name
            assert generation(reply["refreshToken"]["token"]) == generation(browser.refresh_token) + 1
            status, reply = await other.verify(reply["accessToken"]["token"], check_database=True)
            assert (status, reply["status"]) == (200, "OK"), browser.name
            _, listed = await one.call("GET", "/recipe/session/user", userId=browser.name)
            assert browser.handle in listed["sessionHandles"]
        for handle, token in browser.ended:
            status, reply = await one.refresh(token)
            assert (status, reply["status"]) == (200, GONE), browser.name
            _, reply = await other.call("GET", "/recipe/session", sessionHandle=handle)
            assert reply["status"] == GONE


async def under_load(processes, faults):
    """Have browsers at work while ``faults(total)`` runs, where ``total()`` counts their replies so far."""
    browsers = [Browser(processes, f"user {n}", n) for n in range(BROWSERS)]
    until = asyncio.Event()

    def total():
        return sum((browser.seen for browser in browsers), Counter())

    async def bounded():
        try:
            async with asyncio.timeout(PATIENCE):
                await faults(total)
        finally:
            until.set()

    async with asyncio.TaskGroup() as group:
        for browser in browsers:
            group.create_task(browser.browse(until))
        group.create_task(bounded())
    return browsers, total()


async def reaches(count, key, total):
    """Wait until the browsers have seen ``count`` more replies of a kind."""
    wanted = total()[key] + count
    while total()[key] < wanted:  # noqa: ASYNC110 - looking costs nothing
        await asyncio.sleep(0.01)


async def test_of_64_who_refresh_one_token_on_both_all_get_the_same_child(start_sharing):
    processes = await start_sharing(2)
    rings = [await each.call("GET", "/.well-known/jwks.json") for each in processes]
    assert rings[0] == rings[1]
    assert [key["kid"][:2] for key in rings[0][1]["keys"]] == ["d-", "s-"] * 2, "they began together: one set of keys"
    _, reply = await processes[0].create("user")
    for _ in rounds(ROUNDS, fewest=4):
        token = reply["refreshToken"]["token"]
        replies = await asyncio.gather(*(processes[n % 2].refresh(token) for n in range(64)))
        assert {(status, reply["status"]) for status, reply in replies} == {(200, "OK")}
        assert len({reply["refreshToken"]["token"] for _, reply in replies}) == 1
        reply = replies[-1][1]
        assert generation(reply["refreshToken"]["token"]) == generation(token) + 1
        for process in processes:
            status, shown = await process.verify(reply["accessToken"]["token"], check_database=True)
            assert (status, shown["status"]) == (200, "OK")


async def test_a_killed_process_loses_nothing_and_nobody_is_accused(start_sharing):
    processes = await start_sharing(2)

    chance = random.Random(1)

    async def faults(total):
        for _ in rounds(FAULTS, fewest=3):
            await reaches(BROWSERS, "refresh", total)
            killed = chance.randrange(2)
            processes[killed].kill()
            await reaches(BROWSERS, "refresh", total)  # the other one goes on
            [processes[killed]] = await start_sharing(1)
        await reaches(BROWSERS, "refresh", total)

    browsers, seen = await under_load(processes, faults)
    assert seen[0] > 0, "nobody met the killed process"
    assert seen[503] == 0
    assert sum(len(browser.ended) for browser in browsers) > 0
    await nothing_was_lost(browsers, processes)


async def test_while_postgresql_is_down_the_answer_is_503_and_afterwards_nothing_is_lost(start_sharing, server):
    processes = await start_sharing(2)
    _, known = await processes[0].create("known")
    token = known["accessToken"]["token"]
    recovery = []

    async def faults(total):
        for _ in rounds(FAULTS, fewest=3):
            await reaches(BROWSERS, "refresh", total)
            await asyncio.to_thread(server.stop)  # at once, as a crash would
            try:
                await reaches(10, 503, total)
                for process in processes:
                    assert await process.ready() == 503
                    status, reply = await process.verify(token)
                    assert (status, reply["status"]) == (200, "OK"), "this needs no store"
            finally:
                await asyncio.to_thread(server.start)
            began = time.monotonic()
            await reaches(1, "refresh", total)
            recovery.append(time.monotonic() - began)
        await reaches(BROWSERS, "refresh", total)

    browsers, seen = await under_load(processes, faults)
    assert seen[0] == 0, "a process died or hung"
    assert max(recovery) < 30
    for process in processes:
        assert await process.ready() == 200
    await nothing_was_lost(browsers, processes)
