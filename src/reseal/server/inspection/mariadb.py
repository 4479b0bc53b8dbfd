"""Check a MariaDB or MySQL database before the store opens it; nothing is created or upgraded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reseal._async.stores.mariadb_server import AsyncServer
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.server.inspection.finding import Finding, of_schema
from reseal.stores.mariadb import QUERIES
from reseal.stores.sql_files import schema_steps

PATIENCE: Final = 5
"""Timeout in seconds for connecting, and for each reply."""


async def look(uri: Secret) -> list[Finding]:
    """Check schema and durability. Returns no findings if the connection fails: opening the store reports why.

    Raises ``ConfigurationError`` for a server that would lose what it acknowledged, or a right that the user lacks.
    """
    server = AsyncServer(
        uri, pool_size=1, connect_timeout_s=PATIENCE, statement_timeout_ms=PATIENCE * 1000, queries=QUERIES
    )
    try:
        variables, version = await server.look()
    except StoreUnavailable:
        return []
    return [of_schema(version or None, len(schema_steps("mariadb"))), *_durability(variables)]


def _durability(variables: Mapping[str, str]) -> list[Finding]:
    names = ["innodb_flush_log_at_trx_commit", *(["sync_binlog"] if variables["log_bin"] == "ON" else [])]
    shown = " ".join(f"{name}={variables[name]}" for name in names)
    text = f"{variables['version']}, {shown}: an acknowledged write survives a power cut"
    findings = [Finding("durability", fine=True, text=text)]
    if variables.get("wsrep_on") == "ON":
        text = "a node of a Galera cluster: reads wait for what was committed on the others (wsrep_sync_wait)"
        findings.append(Finding("durability", fine=True, text=text))
    return findings
