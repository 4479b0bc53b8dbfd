"""Check a PostgreSQL database before the store opens it; nothing is created or upgraded."""

from __future__ import annotations

import sys
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from reseal._async.stores.postgres_server import WRITING, AsyncLink, no_rights, require_rights, schema_version, wrapped
from reseal.core.secret import Secret
from reseal.server.inspection import postgres_servers
from reseal.server.inspection.finding import Finding, of_schema, warned
from reseal.stores.sql_files import schema_steps

PATIENCE: Final = 5
"""Timeout in seconds for connecting, and for each reply."""
_DEFAULTS: Final = {"application_name": "reseal check", "target_session_attrs": "read-write"}
_DURABILITY: Final = """
SELECT name, setting FROM pg_settings
WHERE name IN ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')
"""


async def look(uri: Secret) -> list[Finding]:
    """Check schema and durability. Returns no findings if the connection fails: opening the store reports why.

    Raises ``StoreUnavailable`` if the server stops answering, and ``ConfigurationError`` if the user lacks a right.
    """
    try:
        given: dict[str, Any] = conninfo_to_dict(uri.reveal().decode(), connect_timeout=PATIENCE)
        link = await AsyncLink.connect(autocommit=True, **_DEFAULTS | given)
    except (psycopg.Error, UnicodeError):
        return []
    link.patience = PATIENCE
    try:
        return [await _schema(link), *await _durability(link), *await postgres_servers.look(uri)]
    except psycopg.errors.InsufficientPrivilege as error:
        raise no_rights() from error
    except psycopg.Error as error:
        raise wrapped(error) from error
    finally:
        await link.close()


async def _schema(link: AsyncLink) -> Finding:
    wanted = len(schema_steps("postgres"))
    version = await schema_version(link, sys.maxsize)
    if version == wanted:
        await require_rights(link, WRITING)
    return of_schema(version or None, wanted)


async def _durability(link: AsyncLink) -> list[Finding]:
    found: dict[str, str] = dict(await (await link.execute(_DURABILITY)).fetchall())
    commit = "on" if found["synchronous_commit"] == "off" else found["synchronous_commit"]
    shown = f"PostgreSQL {found['server_version']}, fsync={found['fsync']} synchronous_commit={commit}"
    if found["fsync"] != "on":
        return [Finding("durability", fine=False, text=f"{shown}: a power cut would lose sessions; set fsync = on")]
    findings = [Finding("durability", fine=True, text=f"{shown}: an acknowledged write survives a power cut")]
    if found["full_page_writes"] != "on":
        text = "full_page_writes=off: a power cut may ruin pages, unless the file system writes each of them whole"
        findings.append(warned("durability", text))
    if commit == "local" or not found["synchronous_standby_names"]:
        text = "no standby is synchronous, so a failover may lose the writes of its last moments"
        findings.append(Finding("durability", fine=True, text=text))
    return findings
