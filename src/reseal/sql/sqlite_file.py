"""One SQLite file: opened durably, its schema brought up to date, its rows read and written. Colourless.

The functions here run in a lane's thread, inside its transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from reseal.core.errors import ConfigurationError
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, StoredTenant
from reseal.core.rotation import PURGE_AFTER, begun
from reseal.log import LOGGER
from reseal.sql import queries, rows, schema_steps
from reseal.sql.lanes import wrapped

OLDEST_SQLITE: Final = (3, 37, 0)
BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's lock before the store counts as unavailable."""
_WAL: Final = "wal"
_FULL: Final = 2


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection and make sure that an acknowledged commit survives a power cut."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != _WAL or level != _FULL:
        connection.close()
        raise _unusable(path, f"needs WAL and synchronous=FULL, but gives {mode} and {level}; use a local disk")
    return connection


def prepare(path: Path) -> int:
    """Create or upgrade the file; give the latest time written to it (ms). Raises ``ConfigurationError``."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise _unusable(path, f"needs SQLite {'.'.join(map(str, OLDEST_SQLITE))}, this is {sqlite3.sqlite_version}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise _unusable(
            path, f"cannot be opened for writing ({error.strerror}); check folder and permissions"
        ) from error
    try:
        connection = connect(path)
        try:
            _upgrade(connection, path)
            return int(connection.execute(queries("sqlite")["high_water"]).fetchone()[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise wrapped(error) from error
        raise _unusable(path, "is not an SQLite database; name another file, or move this one away") from error


def lock(path: Path) -> IO[bytes] | None:
    """Claim the file for this process. Another one that writes too is slow, not wrong: it is told so in the log."""
    try:
        import fcntl  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    handle = Path(f"{path}.lock").open("wb")  # noqa: SIM115 - held open as long as the store is
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        LOGGER.warning("another process writes to %s as well; both will wait for each other's commits", path.name)
        return None
    return handle


class Tables:
    """Reads and writes of one database, as jobs for a lane. Times are given by the store's clock.

    Whoever commits a write calls :meth:`raise_high_water` in the same transaction.
    """

    def __init__(self) -> None:
        self._sql = queries("sqlite")

    def insert(self, db: sqlite3.Connection, scope: Scope, new: NewSession, now: int) -> SessionRecord | None:
        record = begun(new, now)
        done = db.execute(self._sql["insert"], rows.of_record(scope, record)).rowcount
        return record if done else None

    def get(self, db: sqlite3.Connection, scope: Scope, handle: str) -> SessionRecord | None:
        row = db.execute(self._sql["get"], (*scope, handle)).fetchone()
        return None if row is None else rows.to_record(row)

    def get_many(self, db: sqlite3.Connection, scope: Scope, handles: Iterable[str], now: int) -> dict[str, Found]:
        return {handle: Found(self.get(db, scope, handle), now) for handle in handles}

    def rotate(self, db: sqlite3.Connection, scope: Scope, rotation: Rotation, now: int) -> SessionRecord | None:
        row = db.execute(self._sql["rotate"], rows.of_rotation(scope, rotation) | {"now": now}).fetchone()
        return None if row is None else rows.to_record(row)

    def replace(self, db: sqlite3.Connection, scope: Scope, record: SessionRecord) -> bool:
        return db.execute(self._sql["replace"], rows.of_record(scope, record)).rowcount == 1

    def end(
        self, db: sqlite3.Connection, scope: Scope, handles: Iterable[str], reason: EndReason, now: int
    ) -> tuple[str, ...]:
        values = rows.scoped(scope) | {"reason": reason.value, "now": now}
        ended = (db.execute(self._sql["end"], values | {"handle": handle}).fetchone() for handle in handles)
        return tuple(row[0] for row in ended if row is not None)

    def end_user(
        self, db: sqlite3.Connection, scope: Scope, user_id: str, reason: EndReason, keep: str | None, now: int
    ) -> tuple[str, ...]:
        values = rows.scoped(scope) | {"user_id": user_id, "reason": reason.value, "keep": keep, "now": now}
        return tuple(row[0] for row in db.execute(self._sql["end_user"], values).fetchall())

    def list_user(self, db: sqlite3.Connection, scope: Scope, user_id: str, now: int) -> tuple[SessionRecord, ...]:
        found = db.execute(self._sql["list_user"], rows.scoped(scope) | {"user_id": user_id, "now": now})
        return tuple(map(rows.to_record, found.fetchall()))

    def claim(self, db: sqlite3.Connection, scope: Scope, name: str, until: int, now: int) -> bool:
        values = rows.scoped(scope) | {"name": name, "until": until, "now": now}
        return until > now and db.execute(self._sql["claim"], values).rowcount == 1

    def purge(self, db: sqlite3.Connection, after: int, limit: int, now: int) -> tuple[int, int]:
        """Look at ``limit`` rows behind ``after``; give the row to go on from (0: round again) and the number gone."""
        db.execute(self._sql["purge_claims"], {"now": now, "limit": limit})
        upto = db.execute(self._sql["purge_to"], {"after": after, "limit": limit}).fetchone()[0]
        if upto is None:
            return 0, 0
        values = {"after": after, "upto": upto, "before": now - PURGE_AFTER}
        return upto, db.execute(self._sql["purge"], values).rowcount

    def tenants(self, db: sqlite3.Connection) -> tuple[StoredTenant, ...]:
        found = db.execute(self._sql["tenants"]).fetchall()
        return tuple(StoredTenant(Scope(app_id, tenant_id), config.encode()) for app_id, tenant_id, config in found)

    def put_tenant(self, db: sqlite3.Connection, scope: Scope, config: bytes, now: int) -> bool:
        created = db.execute(self._sql["insert_tenant"], (*scope, config.decode(), now)).rowcount == 1
        if not created:
            db.execute(self._sql["update_tenant"], (config.decode(), *scope))
        return created

    def remove_tenant(self, db: sqlite3.Connection, scope: Scope) -> bool:
        db.execute(self._sql["remove_sessions"], tuple(scope))
        if scope.tenant_id == "public":
            db.execute(self._sql["remove_keys"], (scope.app_id,))
        return db.execute(self._sql["remove_tenant"], tuple(scope)).rowcount == 1

    def keys(self, db: sqlite3.Connection, app_id: str) -> tuple[StoredKey, ...]:
        return tuple(StoredKey(*row) for row in db.execute(self._sql["keys"], (app_id,)).fetchall())

    def add_key(self, db: sqlite3.Connection, app_id: str, key: StoredKey) -> bool:
        return db.execute(self._sql["add_key"], (app_id, *key)).rowcount == 1

    def remove_keys(self, db: sqlite3.Connection, app_id: str, kids: Iterable[str]) -> None:
        db.executemany(self._sql["remove_key"], [(app_id, kid) for kid in kids])

    def high_water(self, db: sqlite3.Connection) -> int:
        """Read the latest time that any process has noted (ms)."""
        return int(db.execute(self._sql["high_water"]).fetchone()[0])

    def raise_high_water(self, db: sqlite3.Connection, now: int) -> None:
        """Note the time, so that a session refused as expired stays so when the clock is moved back meanwhile."""
        db.execute(self._sql["raise_high_water"], (now, now))


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    steps = schema_steps("sqlite")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(steps):
            raise _unusable(path, f"has schema {version}, newer than the {len(steps)} known here; upgrade Reseal")
        for step in steps[version:]:
            for statement in _statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> list[str]:
    """Split a schema file, so that all of it runs in the one transaction that is open."""
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("--"))
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def _unusable(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError((f"database_uri: {path} {problem}",))
