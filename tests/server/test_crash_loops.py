"""A service that was killed again and again while it started, or when it ran, starts without any clean-up (reliability: E22)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from reseal.server.running_services import Instance, registered
from reseal.server.running_services import running as listed
from reseal.stores.sql_files import schema_steps
from tests.server.browsers import HEADERS, browsers
from tests.server.running import PATIENCE, running
from tests.support.ports import free_port

KILLS = 30
OLD = 5
"""Schema of the file that the first of them finds."""
ROOT = Path(__file__).parents[2]


def killed_at_every_moment(times, folder, uri, port):
    ours = {"DATABASE_URI": uri, "STATE_DIR": str(folder / "state"), "PORT": str(port), "LOG_LEVEL": "ERROR"}
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.server.crash_loop", str(times)],
        env=inherited | {f"RESEAL_{name}": text for name, text in ours.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def of_an_older_version(path):
    with closing(sqlite3.connect(path)) as file:
        for step in schema_steps("sqlite")[:OLD]:
            file.executescript(step)
        file.execute(f"PRAGMA user_version = {OLD}")
    return f"sqlite:///{path}"


def left_behind(state, port):
    """Leave what a crash leaves: an entry with a pid that somebody else has now, one cut short, and one never finished."""
    (state / ".started").mkdir(parents=True)
    (state / ".started" / f"127.0.0.1-{port}").write_text(f"{os.getpid()}\n\n")
    (state / ".started" / "127.0.0.1-1").write_text("12")
    (state / ".started" / f"{os.getpid()}.new").write_text("")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_service_that_was_killed_at_every_moment_of_its_start_starts(engine, request, tmp_path, rounds):
    uri = of_an_older_version(tmp_path / "r.db") if engine == "sqlite" else request.getfixturevalue("postgres_uri")
    port, times = free_port(), len(list(rounds(KILLS, fewest=10)))
    left_behind(tmp_path / "state", port)
    killed_at_every_moment(times, tmp_path, uri, port)
    how = {"RESEAL_DATABASE_URI": uri, "RESEAL_PORT": str(port), "RESEAL_SHUTDOWN_DELAY": "0"}
    with running(tmp_path, **how) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, verify=False) as client:
            [browser] = await browsers(client, 1)
            await browser.refresh()
        assert listed(tmp_path / "state") == [Instance(service.pid, "127.0.0.1", port, "")]
    with running(tmp_path, **how) as service:  # the first was killed, too
        async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, verify=False) as client:
            await browser.refresh(client)
        service.tell()
        assert service.ended() == 0
        assert service.lines(level="ERROR") == []
    assert browser.seen == {"fine": 2}


def test_who_starts_on_a_port_neither_waits_for_the_one_that_leaves_nor_is_removed_by_it(tmp_path):
    old, new = (Instance(pid, "127.0.0.1", 3567, "") for pid in (7, 8))
    leaving = ExitStack()
    leaving.enter_context(registered(tmp_path, old))
    with registered(tmp_path, new):
        leaving.close()
        assert listed(tmp_path) == [new]
    assert listed(tmp_path) == []
