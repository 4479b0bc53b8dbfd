"""Another process holds the write lock of the SQLite file again and again, at times longer than we wait (E12)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reseal import AsyncReseal, Settings
from reseal.core.events import EventName
from reseal.stores.sqlite import file as sqlite_file
from reseal.testing.recorder import Recorder
from tests.support.redis_cluster import until
from tests.support.users import Users

HOLDER = """
import sqlite3, sys, time
link = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for _ in range(int(sys.argv[2])):
    link.execute("BEGIN IMMEDIATE")
    link.execute("DELETE FROM session WHERE handle = 'none'")
    time.sleep(float(sys.argv[3]))
    link.execute("ROLLBACK")
    time.sleep(float(sys.argv[3]) / 4)
"""


@pytest.mark.parametrize(
    ("times", "seconds", "waits"),
    [
        pytest.param(30, 0.1, 5, id="briefly"),
        pytest.param(3, 1, 0.2, id="longer than we wait"),
        pytest.param(3, 7, 5, id="longer than we wait, as it is", marks=pytest.mark.whole),
    ],
)
async def test_a_lock_of_another_process_costs_time_and_no_session(tmp_path, monkeypatch, times, seconds, waits):
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", waits)
    path, events, users = tmp_path / "sessions.db", Recorder(), Users()
    settings = Settings(api_domain="https://api.example.com", database_uri=f"sqlite:///{path}")
    sessions = AsyncReseal(settings, on_event=events).backend
    await sessions.open()

    def course():
        until(lambda: users.done > 30)
        subprocess.run([sys.executable, "-c", HOLDER, path, str(times), str(seconds)], check=True, timeout=120)

    await users.during(sessions, course)
    await users.look_back(sessions)
    await sessions.close()
    assert users.violations == []
    assert (users.refused > 0) is (seconds > waits)
    assert users.slowest_verify < 1
    assert events.named(EventName.STORE_ROLLED_BACK) == []
