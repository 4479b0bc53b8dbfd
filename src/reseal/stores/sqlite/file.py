"""One SQLite file: opened durably, claimed, its schema brought up to date. Shared by async and sync."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import IO, Final

from reseal.clock import Mark
from reseal.core.errors import ConfigurationError
from reseal.log import LOGGER
from reseal.stores.sql_files import schema_steps
from reseal.stores.sqlite import QUERIES
from reseal.stores.sqlite.batch_jobs import wrapped
from reseal.stores.sqlite.connection import FileConnection, Identity

OLDEST_SQLITE: Final = (3, 37, 0)
BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's lock before the store counts as unavailable."""
_WAL: Final = "wal"
_FULL: Final = 2
_FIRST_TABLES: Final = frozenset({"session", "app_key", "high_water"})
FOREIGN: Final = "is the database of something else; name another file"


def connect(path: Path, identity: Identity | None = None) -> FileConnection:
    """Open a connection and make sure that an acknowledged commit survives a power cut.

    ``identity``: the file that is meant. Raises ``StoreUnavailable`` if another one is in its place.
    """
    connection = FileConnection.to(path, BUSY_TIMEOUT)
    try:
        if identity is not None:
            connection.require_identity(identity)
        _make_durable(connection)
        if identity is not None:
            connection.note_files()
    except BaseException:
        connection.close()
        raise
    return connection


def _make_durable(connection: FileConnection) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != _WAL or level != _FULL:
        raise _unusable(
            connection.path, f"needs WAL and synchronous=FULL, but gives {mode} and {level}; use a local disk"
        )


def prepare(path: Path) -> tuple[Mark, int]:
    """Create or upgrade the file; give the latest time noted in it, and its era. Raises ``ConfigurationError``."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise _unusable(path, f"needs SQLite {'.'.join(map(str, OLDEST_SQLITE))}, this is {sqlite3.sqlite_version}")
    _require_writable(path, os.O_CREAT)
    try:
        with closing(sqlite3.connect(path)) as untouched:
            if is_foreign(untouched):
                raise _unusable(path, FOREIGN)
        connection = connect(path)
        try:
            _upgrade(connection, path)
            *mark, era = connection.execute(QUERIES["high_water"]).fetchone()
            return Mark(*mark), era
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise wrapped(error) from error
        raise _unusable(path, "is not an SQLite database; name another file, or move this one away") from error


def look(path: Path) -> tuple[Mark, int]:
    """Do what :func:`prepare` does for a file that is to stay as it is. Raises ``ConfigurationError``."""
    _require_writable(path)
    try:
        with closing(connect_to_look(path)) as connection:
            version, wanted = connection.execute("PRAGMA user_version").fetchone()[0], len(schema_steps("sqlite"))
            if is_foreign(connection) or version != wanted:
                raise _unusable(path, f"has schema {version}, and {wanted} is needed: run reseal migrate")
            *mark, era = connection.execute(QUERIES["high_water"]).fetchone()
            return Mark(*mark), era
    except sqlite3.DatabaseError as error:
        raise wrapped(error) from error


def connect_to_look(path: Path, identity: Identity | None = None) -> FileConnection:
    """Open a connection that can write nothing."""
    connection = connect(path, identity)
    connection.execute("PRAGMA query_only = ON")
    return connection


def lock(path: Path) -> IO[bytes] | None:
    """Claim the file for this process. A second process that writes is slow, not wrong: it logs a warning."""
    try:
        import fcntl  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    handle = open(f"{path}.lock", "wb", opener=_private)  # noqa: SIM115 - held open as long as the store is
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        LOGGER.warning(
            "%s is open in another process as well: that works, but they wait for each other's commits", path.name
        )
        return None
    return handle


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Return whether there is something in a database, and it is not ours."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return bool(tables or version) and not (version and tables >= _FIRST_TABLES)


def _require_writable(path: Path, flags: int = 0) -> None:
    """Make sure that the file can be opened as SQLite does, also to read it."""
    try:
        os.close(os.open(path, flags | os.O_RDWR, 0o600))
    except OSError as error:
        raise _unusable(
            path, f"cannot be opened for writing ({error.strerror}); check folder and permissions"
        ) from error


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
