"""A backup is made while users are about, and restored later: nobody is accused, and what came back can be cut (E23)."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from reseal import AsyncReseal, Settings, Unauthorised
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support.redis_cluster import until
from tests.support.users import Users

API = "https://api.example.com"


class SQLite:
    def __init__(self, request):
        self._path = request.getfixturevalue("tmp_path") / "sessions.db"
        self._copy = self._path.with_name("backup.db")
        self.uri = f"sqlite:///{self._path}"

    def back_up(self):
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._copy)) as copy:
            source.backup(copy)

    def restore(self):
        for each in self._path.parent.glob("sessions.db*"):
            each.unlink()
        shutil.copy(self._copy, self._path)


class PostgreSQL:
    def __init__(self, request):
        self._server = request.getfixturevalue("own_postgres")
        self.uri = self._server.uri()

    def back_up(self):
        own = self._server
        own._run("pg_basebackup", "-D", str(own.folder / "backup"), "-h", str(own.folder), "-p", str(own.port),
                 "-U", "reseal", "--checkpoint=fast")  # fmt: skip

    def restore(self):
        self._server.stop()
        shutil.rmtree(self._server.folder / "data")
        (self._server.folder / "backup").rename(self._server.folder / "data")
        self._server.start()


class MariaDB:
    def __init__(self, request):
        self._server = request.getfixturevalue("own_mariadb")
        self._database = self._server.database()
        self.uri = self._server.uri(self._database)

    def back_up(self):
        dumped = self._server._run("mariadb-dump", "--no-defaults", "-uroot", f"--socket={self._server._socket}",
                                   "--single-transaction", "--hex-blob", self._database)  # fmt: skip
        (self._server.folder / "dump.sql").write_text(dumped)

    def restore(self):
        self._server.sql(f"DROP DATABASE {self._database}; CREATE DATABASE {self._database}")
        self._server.sql(f"source {self._server.folder}/dump.sql", self._database)


class Redis:
    """Its file is appended to alone, so that a copy is what was there at some moment."""

    def __init__(self, request):
        self._server = request.getfixturevalue("own_redis")
        self._files: Path = self._server.folder / "appendonlydir"
        self.uri = self._server.uri()

    def back_up(self):
        shutil.copytree(self._files, self._server.folder / "backup")

    def restore(self):
        self._server.kill()
        shutil.rmtree(self._files)
        (self._server.folder / "backup").rename(self._files)
        self._server.start()


def sessions_over(uri, events):
    return AsyncReseal(Settings(api_domain=API, database_uri=uri), on_event=events).backend


@pytest.mark.parametrize("engine", [SQLite, PostgreSQL, MariaDB, Redis])
async def test_a_restored_backup_accuses_nobody_and_what_came_back_can_be_cut(request, engine):
    store, users, events = engine(request), Users(stays=0.8), Recorder()
    sessions = sessions_over(store.uri, events)
    await sessions.open()
    kept = set()

    def back_up():
        until(lambda: users.done > 60)
        before = {user.handle for user in users.all if user.tokens}
        store.back_up()
        kept.update(before)
        done = users.done
        until(lambda: users.done > done + 60)

    await users.during(sessions, back_up)
    await sessions.close()
    assert users.violations == []
    store.restore()

    sessions = sessions_over(store.uri, events)
    await sessions.open()
    came_back = []
    for user in users.all:
        for token in [*user.ended, *list(user.tokens)[-1:]]:
            is_of_now = token == (user.tokens or [""])[-1] and not user.is_leaving
            try:
                came_back.append((await sessions.refresh(token)).refresh_token)
            except Unauthorised:
                assert not (is_of_now and user.handle in kept), "a session that is in the backup was signed out"
    assert came_back
    assert events.named(EventName.TOKEN_THEFT) == []
    refreshed = time.time()
    until(lambda: time.time() > refreshed + 0.01)
    await sessions.end_before(int(time.time() * 1000), all_tenants=True)
    for token in came_back:
        with pytest.raises(Unauthorised):
            await sessions.refresh(token)
    assert events.named(EventName.TOKEN_THEFT) == []
    await sessions.close()
