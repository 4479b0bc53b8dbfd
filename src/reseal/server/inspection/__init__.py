"""The checks of ``reseal check``, whether or not the service runs: store, schema, durability, clock, keys.

They change nothing: a missing or outdated store is reported, not created or upgraded.
"""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal.clock import Clock, SystemClock
from reseal.core import guessable
from reseal.core.errors import ConfigurationError, ResealError
from reseal.core.keys import Wrapping
from reseal.core.secret import Secret, revealed
from reseal.log import log_event
from reseal.server import tls
from reseal.server.config import ServiceSettings
from reseal.server.inspection import clocks, keys, mariadb, restores, sqlite
from reseal.server.inspection.finding import Finding, failed, warned
from reseal.server.stores import make_store
from reseal.server.tenants.directory import Directory

__all__ = ["Finding", "inspect"]


async def inspect(
    settings: ServiceSettings, clock: Clock | None = None, *, restored: int | None = None
) -> list[Finding]:
    """Run every check. ``restored``: the time (ms) of a backup that was restored."""
    findings = _configuration(settings)
    try:
        findings += await _closed_store(settings)
        if not all(finding.fine for finding in findings):
            return findings
        store = make_store(settings, looks_only=True)
        await store.open()
    except ResealError as error:
        return [*findings, *failed("store", error)]
    try:
        findings += await _open_store(settings, store, clock or SystemClock(), restored)
    except ResealError as error:
        findings += failed("store", error)
    finally:
        await store.close()
    return findings


def _configuration(settings: ServiceSettings) -> list[Finding]:
    try:
        tls.context(settings)
    except ConfigurationError as error:
        findings = failed("configuration", error)
    else:
        findings = [Finding("configuration", fine=True, text="fine")]
    findings += [warned("configuration", note) for note in settings.notes]
    if settings.secret_key is None:
        findings.append(warned("configuration", "without secret_key the keys are stored unencrypted"))
    elif weakness := guessable.weakness(settings.secret_key.reveal().decode("utf-8", "replace")):
        findings.append(warned("configuration", f"secret_key {weakness}: make one with openssl rand -base64 48"))
    return findings


async def _closed_store(settings: ServiceSettings) -> list[Finding]:
    if settings.database_path is not None:
        return sqlite.look(settings.database_path)
    if settings.server_uri is not None:
        return await _server(settings.server_uri)
    return [warned("durability", "memory: loses every session when the process ends; name another database_uri")]


async def _server(uri: Secret) -> list[Finding]:
    if uri.reveal().startswith((b"mysql", b"mariadb")):
        return await mariadb.look(uri)
    try:
        if uri.reveal().startswith(b"redis"):
            from reseal.server.inspection import redis  # noqa: PLC0415 - an optional driver

            return await redis.look(uri)
        from reseal.server.inspection import postgres  # noqa: PLC0415 - an optional driver
    except ImportError:
        return []  # make_store reports the missing driver and the package to install
    return await postgres.look(uri)


async def _open_store(
    settings: ServiceSettings, store: AsyncStore, clock: Clock, restored: int | None
) -> list[Finding]:
    its_time = clocks.look(clock.wall(), await store.times(), shared=settings.server_uri is not None)
    findings = [Finding("store", fine=True, text="opens"), its_time]
    wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))
    directory = Directory(settings, store, clock, on_event=log_event)
    apps = await directory.apps()
    findings += await restores.look(store, apps, restored)
    for app in apps.values():
        findings += await keys.look(store, wrapping, app.driver.app, clock.wall())
    return findings
