"""A PostgreSQL that was set back to a copy of its files: who has refreshed since goes on, and a thief is found."""

from __future__ import annotations

import subprocess

import pytest

from reseal import Engine, Settings
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.errors import Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import HOUR

SINCE = (1, 2, 7, 50)
"""How often each session is refreshed after the backup."""


def test_a_restored_base_backup_signs_out_nobody_whose_row_is_still_there(own_postgres):
    clock, events = ManualClock(), Recorder()

    def engine():
        store = PostgresStore(own_postgres.uri(), clock=clock)
        return Engine(Settings(api_domain="https://api.example.com"), store, clock=clock, on_event=events)

    def files(*command):
        subprocess.run(command, cwd=own_postgres.folder, check=True, timeout=120)

    with engine() as sessions:
        pairs = [sessions.refresh(sessions.create(f"user {n}").refresh_token) for n in SINCE]
        copied = pairs[-1].refresh_token
    own_postgres.stop("fast")
    files("cp", "-a", "data", "backup")
    own_postgres.start()
    with engine() as sessions:
        for at, times in enumerate(SINCE):
            for _ in range(times):
                pairs[at] = sessions.refresh(pairs[at].refresh_token)
        newcomer = sessions.create("newcomer")
    own_postgres.stop("fast")
    files("rm", "-r", "data")
    files("mv", "backup", "data")
    own_postgres.start()
    with engine() as sessions:
        thief = sessions.refresh(copied)
        assert [sessions.refresh(pair.refresh_token).claims.gen for pair in pairs] == [n + 2 for n in SINCE]
        assert [event.reason for event in events.named(EventName.STORE_ROLLED_BACK)] == ["adopted"] * len(SINCE)
        with pytest.raises(Unauthorised) as error:
            sessions.refresh(newcomer.refresh_token)
        assert error.value.reason is Refusal.UNKNOWN_SESSION
        assert events.named(EventName.TOKEN_THEFT) == []
        clock.advance(HOUR)
        with pytest.raises(TokenTheftDetected):
            sessions.refresh(thief.refresh_token)
