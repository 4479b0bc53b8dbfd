"""Check an SQLite file before the store opens it; nothing is created or upgraded."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from reseal.server.inspection.finding import Finding, of_schema, warned
from reseal.stores.sql_files import schema_steps
from reseal.stores.sqlite import file as sqlite_file

_LEVELS: Final = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def look(path: Path) -> list[Finding]:
    """Check file, schema, durability and permissions."""
    if not path.exists():
        return [_failed(f"{path} does not exist: run reseal migrate, or correct database_uri")]
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as database:
            if sqlite_file.is_foreign(database):
                return [_failed(f"{path} {sqlite_file.FOREIGN}")]
            schema = of_schema(*_schema(database))
            if not schema.fine:
                return [schema]
        return [schema, _durability(path), *_permissions(path)]
    except sqlite3.Error as error:
        return [_failed(f"{path} cannot be read ({getattr(error, 'sqlite_errorname', 'no reason given')})")]


def _schema(database: sqlite3.Connection) -> tuple[int | None, int]:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    return version or None, len(schema_steps("sqlite"))


def _durability(path: Path) -> Finding:
    """Open the file as the store does, which rejects settings that would not survive a power cut."""
    with closing(sqlite_file.connect(path)) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
    text = f"journal_mode={mode} synchronous={_LEVELS[level]}: an acknowledged write survives a power cut"
    return Finding("durability", fine=True, text=text)


def _permissions(path: Path) -> list[Finding]:
    open_ones = [each for each in (path, Path(f"{path}-wal")) if each.exists() and _is_open(each)]
    advice = "others on this machine may read it, and who reads it"
    return [
        warned("permissions", f"{each}: {advice} knows every session and key in it: chmod 600 it") for each in open_ones
    ]


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _failed(text: str) -> Finding:
    return Finding("store", fine=False, text=text)
