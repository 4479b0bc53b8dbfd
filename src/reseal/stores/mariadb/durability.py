"""What a server has to be set to, so that it keeps what it acknowledged, and what the user has to be allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

OLDEST: Final = {"MariaDB": (10, 6), "MySQL": (8, 0)}
"""The first with ``SKIP LOCKED``."""
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")
_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \(\n +(\w+)")
_RIGHTS: Final = {
    "SELECT": "SELECT {column} FROM {table} LIMIT 0",
    "INSERT": "INSERT IGNORE INTO {table} ({column}) SELECT {column} FROM {table} WHERE FALSE",
    "UPDATE": "UPDATE {table} SET {column} = {column} WHERE FALSE",
    "DELETE": "DELETE FROM {table} WHERE FALSE",
}


def problems(found: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a server's variables, by name, and what to do."""
    make = "MariaDB" if "mariadb" in found["version"].lower() else "MySQL"
    version = _VERSION.search(found["version"])
    wrong = []
    if version is None or (int(version[1]), int(version[2])) < OLDEST[make]:
        oldest = ".".join(map(str, OLDEST[make]))
        wrong.append(f"the server is {make} {found['version']}; Reseal needs {oldest} or newer")
    if found["innodb_flush_log_at_trx_commit"] not in {"1", "3"}:
        wrong.append(
            f"the server runs with innodb_flush_log_at_trx_commit = {found['innodb_flush_log_at_trx_commit']}: a power "
            "cut would lose sessions; set it to 1"
        )
    if found["log_bin"] == "ON" and found["sync_binlog"] != "1":
        wrong.append(
            f"the server keeps a binary log with sync_binlog = {found['sync_binlog']}: a power cut would undo what "
            "that has lost; set it to 1"
        )
    return wrong


def takes_writes(found: Mapping[str, str]) -> bool:
    return all(found.get(name, "OFF") in {"OFF", "0"} for name in ("read_only", "innodb_read_only"))


def probes(steps: Iterable[str], *, writes: bool) -> list[tuple[str, str, str]]:
    """Return statements that change nothing and need a right: each with table and right."""
    tables = [table for step in steps for table in _TABLE.findall(step)]
    return [
        (table, right, text.format(table=table, column=column))
        for table, column in tables
        for right, text in _RIGHTS.items()
        if writes or right == "SELECT"
    ]
