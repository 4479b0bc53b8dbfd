"""A database of an older version is brought up to date when it is opened, and its sessions go on."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from reseal import Engine, Settings, SQLiteStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.errors import TokenTheftDetected
from reseal.stores.sql_files import schema_steps
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import HOUR

SETTINGS = Settings(api_domain="https://api.example.com")
REGISTERS = 7
"""The step in which the registers came in place of counts."""
COUNTS = ("replay_count", "replay_window_start", "counted_generation", "replay_streak", "replayed_generation")


class SQLiteFiles:
    """Two files: one of this version, and one of an older version that gets what is in the other one."""

    def __init__(self, folder, clock):
        self.stores = {name: SQLiteStore(folder / f"{name}.db", clock) for name in ("new", "old")}
        self._folder = folder

    def make_older(self, step):
        db = sqlite3.connect(self._folder / "old.db")
        db.executescript(";".join(schema_steps("sqlite")[: step - 1]))
        db.execute(f"PRAGMA user_version = {step - 1}")
        db.execute("ATTACH ? AS new", (str(self._folder / "new.db"),))
        names = [row[1] for row in db.execute("PRAGMA table_info(session)")]
        db.execute(f"INSERT INTO session SELECT {columns(names)} FROM new.session")
        db.execute("INSERT INTO app_key SELECT * FROM new.app_key")
        db.commit()
        db.close()


class PostgresSchemas:
    """The same with two schemas of one database."""

    def __init__(self, postgres, clock):
        self._postgres = postgres
        self.stores = {name: PostgresStore(postgres.uri(f"upgrade_{name}"), clock=clock) for name in ("new", "old")}
        with postgres.admin() as admin:
            for name in self.stores:
                admin.execute(f"CREATE SCHEMA upgrade_{name}")

    def make_older(self, step):
        with psycopg.connect(self._postgres.uri("upgrade_old")) as db:
            db.execute("CREATE TABLE reseal_schema (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())")
            for number, text in enumerate(schema_steps("postgres")[: step - 1], 1):
                db.execute(text)
                db.execute("INSERT INTO reseal_schema (version) VALUES (%s)", (number,))
            asked = db.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'upgrade_old' "
                "AND table_name = 'reseal_session' ORDER BY ordinal_position"
            )
            names = [name for (name,) in asked.fetchall()]
            db.execute(f"INSERT INTO reseal_session SELECT {columns(names)} FROM upgrade_new.reseal_session")
            db.execute("INSERT INTO reseal_key SELECT * FROM upgrade_new.reseal_key")

    def remove(self):
        with self._postgres.admin() as admin:
            for name in self.stores:
                admin.execute(f"DROP SCHEMA upgrade_{name} CASCADE")


def columns(names):
    return ", ".join("0" if name in COUNTS else name for name in names)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request, tmp_path, clock):
    if request.param == "sqlite":
        yield SQLiteFiles(tmp_path, clock)
        return
    schemas = PostgresSchemas(request.getfixturevalue("postgres"), clock)
    yield schemas
    schemas.remove()


def test_sessions_of_a_database_without_registers_go_on(databases, clock):
    with Engine(SETTINGS, databases.stores["new"], clock=clock) as engine:
        first = engine.create("user", {"a": 1}, {"b": 2})
        second = engine.refresh(first.refresh_token)
    databases.make_older(REGISTERS)
    with Engine(SETTINGS, databases.stores["old"], clock=clock, on_event=Recorder()) as engine:
        clock.advance(HOUR)
        assert engine.refresh(first.refresh_token).refresh_token == second.refresh_token
        record = engine.get(first.claims.sid)
        assert (record.replayed, record.collided, record.estranged, record.attempt_hash) == (1, 1, 0, None)
        assert (record.jwt_payload, record.session_data, record.generation) == (b'{"a":1}', b'{"b":2}', 1)
        third = engine.refresh(second.refresh_token, attempt_key="key")
        clock.advance(HOUR)
        assert engine.refresh(second.refresh_token, attempt_key="key").refresh_token == third.refresh_token
        with pytest.raises(TokenTheftDetected):
            engine.refresh(first.refresh_token)
