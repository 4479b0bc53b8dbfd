"""Power is lost at any moment over an SQLite file, or its disk fails: what was acknowledged is there (E02, E16)."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from contextlib import closing

import pytest

from reseal import Reseal, Settings
from reseal.core.errors import ResealError, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support.power_loss import record

API = "https://api.example.com"
OLD = 4
"""So many generations back, a token is a thief's."""
LIVES = """
import asyncio, os, random, sys
from reseal import AsyncReseal, Settings, StoreUnavailable
from reseal.stores.sqlite import file

make_durable = file._make_durable


def with_small_log(connection):
    make_durable(connection)
    connection.execute("PRAGMA wal_autocheckpoint = 60")
    connection.execute("PRAGMA synchronous = " + sys.argv[3])


file._make_durable = with_small_log


def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())


async def answered(call, *arguments):
    while True:
        try:
            return await call(*arguments)
        except StoreUnavailable:
            say("refused", type(call).__name__)
            await asyncio.sleep(0.002)


async def live(sessions, name, chance):
    for _ in range(6):
        pair = await answered(sessions.create, name)
        say("has", pair.claims.sid, pair.refresh_token, pair.access_token)
        for _ in range(chance.randrange(1, 12)):
            pair = await answered(sessions.refresh, pair.refresh_token)
            say("has", pair.claims.sid, pair.refresh_token, pair.access_token)
        say("leaves", pair.claims.sid)
        await answered(sessions.revoke, [pair.claims.sid])
        say("left", pair.claims.sid)


async def main():
    sessions = AsyncReseal(Settings(api_domain=sys.argv[1], database_uri=sys.argv[2])).backend
    await sessions.open()
    await asyncio.gather(*(live(sessions, f"user {n}", random.Random(n)) for n in range(6)))
    await sessions.close()

asyncio.run(main())
"""


def recording_of(tmp_path, synchronous="FULL", fault=""):
    folder = tmp_path / synchronous
    folder.mkdir()
    return record(LIVES, folder, API, f"sqlite:///{folder}/sessions.db", synchronous, fault=fault)


class Reboot:
    """Opens what a disk may hold after power was lost, and counts what is missing."""

    def __init__(self, recording, before, folder, chance):
        folder.mkdir()
        recording.restore(before, folder, chance)
        self.path = folder / "sessions.db"
        self.lines, self.leaving, self.left, self.access = defaultdict(list), set(), set(), {}
        for word, handle, *tokens in map(str.split, recording.said(before)):
            if word == "has":
                self.lines[handle].append(tokens[0])
                self.access[handle] = tokens[1]
            elif word != "refused":
                (self.leaving if word == "leaves" else self.left).add(handle)

    def is_whole(self):
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def lost(self):
        """Name what was acknowledged and is not there; nobody may be accused but a thief."""
        events = Recorder()
        settings = Settings(api_domain=API, database_uri=f"sqlite:///{self.path}")
        with Reseal(settings, on_event=events) as reseal:
            missing = [text for handle in self.lines for text in self._missing(reseal.backend, handle)]
            assert events.named(EventName.TOKEN_THEFT) == []
            for handle in self.lines.keys() - self.leaving:
                if len(self.lines[handle]) > OLD and not missing:
                    with pytest.raises(TokenTheftDetected):
                        reseal.backend.refresh(self.lines[handle][0])
        return [*missing, *(f"{event.session_handle} went back" for event in events.named(EventName.STORE_ROLLED_BACK))]

    def _missing(self, sessions, handle):
        token = self.lines[handle][-1]
        if handle in self.left:
            try:
                sessions.refresh(token)
            except Unauthorised:
                return
            yield f"{handle} had signed out, and is back"
        elif handle not in self.leaving:
            try:
                sessions.verify(self.access[handle])
                sessions.refresh(token)
            except ResealError as error:
                yield f"{handle}: {error!r}"


def moments(recording, count, chance):
    """Choose moments to lose power at: half of them at an acknowledgement, when it has just been given."""
    told = [change.at + 1 for change in recording.changes if change.kind == "say"]
    return chance.choices(told, k=count // 2) + [chance.randrange(recording.end) for _ in range(count // 2)]


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.whole)])
def test_nothing_that_was_acknowledged_is_lost_with_the_power(tmp_path, cycles):
    chance, recording = random.Random(cycles), recording_of(tmp_path)
    for n, before in enumerate(moments(recording, cycles, chance)):
        reboot = Reboot(recording, before, tmp_path / f"disk-{n}", chance)
        assert reboot.is_whole(), (before, n)
        assert reboot.lost() == [], (before, n)


@pytest.mark.parametrize("cycles", [20, pytest.param(400, marks=pytest.mark.whole)])
@pytest.mark.parametrize(
    "fault",
    [
        "fsync,fdatasync:error=EIO:when=24+5",
        "fsync,fdatasync:error=EINTR:when=24+5",
        "fdatasync:error=ENOSPC:when=16+3",
        "pwrite64:error=EIO:when=150+17",
        "pwrite64:error=ENOSPC:when=150+17",
    ],
)
def test_where_the_disk_fails_nothing_is_acknowledged_that_the_power_takes_with_it(tmp_path, fault, cycles):
    chance, recording = random.Random(fault), recording_of(tmp_path, fault=fault)
    assert any(line.startswith("refused") for line in recording.said(recording.end)), "nothing failed"
    for n, before in enumerate([*moments(recording, cycles, chance), recording.end]):
        reboot = Reboot(recording, before, tmp_path / f"disk-{n}", chance)
        assert reboot.is_whole(), (before, n)
        assert reboot.lost() == [], (before, n)


def test_with_less_durability_than_ours_the_same_test_finds_what_is_lost(tmp_path):
    chance, recording = random.Random(1), recording_of(tmp_path, "NORMAL")
    reboots = [
        Reboot(recording, before, tmp_path / f"disk-{n}", chance)
        for n, before in enumerate(moments(recording, 20, chance))
    ]
    assert any(reboot.lost() for reboot in reboots)
