"""Commands for stored keys, sessions and apps."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reseal._async import not_before
from reseal._async.ports import AsyncStore
from reseal.cdi.keys import DYNAMIC, PREFIXES
from reseal.clock import SystemClock
from reseal.core import session_keys
from reseal.core.audit_checkpoints import KEYS_APP
from reseal.core.errors import Unauthorised
from reseal.core.events import Event, EventName
from reseal.core.handles import DEFAULT_TENANT, tenant_of
from reseal.core.keys import Wrapping
from reseal.core.model import Scope, SessionRecord, StoredKey
from reseal.core.policies import WEEK
from reseal.core.secret import revealed
from reseal.core.selection import Before, Place
from reseal.server.cli.arguments import command, configured, group, scoped, settings_of
from reseal.server.cli.audit_log import accountable, audit_listener
from reseal.server.cli.exits import DONE, REFUSED, CommandFailed
from reseal.server.cli.opened import app_of, in_app, in_store
from reseal.server.cli.output import Row, moment_of, show, time_of
from reseal.server.inspection.keys import signing
from reseal.server.tenants.directory import App, Directory

_NONE_BEFORE: Final = "No live session is as old as that."


def add(commands: Any) -> None:
    """Declare these commands."""
    keys = group(commands, "keys", "List and rotate signing keys.")
    scoped(command(keys, "list", list_keys))
    accountable(scoped(command(keys, "rotate", rotate_keys)))
    parser = accountable(scoped(command(keys, "remove", remove_keys)))
    parser.add_argument("kids", nargs="+", metavar="KID", help="as keys list shows it")
    accountable(configured(command(keys, "rewrap", rewrap_keys)))
    sessions = group(commands, "sessions", "List, show and revoke sessions.")
    parser = scoped(command(sessions, "list", list_sessions), tenant=True)
    parser.add_argument("--user", required=True, metavar="ID", help="whose sessions")
    parser = scoped(command(sessions, "show", show_session))
    parser.add_argument("handle", metavar="HANDLE", help="as sessions list shows it")
    parser = accountable(scoped(command(sessions, "revoke", revoke_sessions), tenant=True))
    parser.add_argument("handles", nargs="*", metavar="HANDLE", help="end these sessions")
    parser.add_argument("--user", metavar="ID", help="end all sessions of this user instead")
    parser = accountable(scoped(command(sessions, "not-before", end_before), tenant=True))
    parser.add_argument("moment", metavar="MOMENT", help="now, or a date and time with its zone: 2026-11-29T10:00Z")
    parser.add_argument("--user", metavar="ID", help="of this user alone; of all if absent")
    parser.add_argument("--dry-run", action="store_true", help="list the sessions, and end none")
    apps = group(commands, "apps", "List apps and tenants.")
    configured(command(apps, "list", list_apps))


def list_keys(options: Namespace) -> int:
    """List the keys of an app, without their secrets."""

    async def run(directory: Directory, store: AsyncStore) -> list[Row]:
        app = await app_of(directory, options.app)
        keys = await store.keys(options.app)
        those_that_sign = _signing(keys, app)
        return [_key(key, signs=key in those_that_sign) for key in keys]

    rows = in_store(options, run, looks_only=True)
    show(rows, options, empty="No keys yet; they are made at the first start.")
    return DONE


def rotate_keys(options: Namespace) -> int:
    """Publish new dynamic signing keys, which sign a minute later. Shows the one for access tokens."""

    async def run(app: App) -> str:
        if await _is_embedded(app):
            raise CommandFailed("an application embeds these sessions: it rotates its keys itself, with rotate_keys()")
        return await app.driver.rotate_keys()

    kid = in_app(options, run)
    _emit_key_event(options, EventName.KEY_PUBLISHED, kid)
    show([{"kid": kid}], options)
    return DONE


def remove_keys(options: Namespace) -> int:
    """Remove leaked keys: their tokens are no longer accepted. Keys that still sign cannot be removed."""

    async def run(directory: Directory, store: AsyncStore) -> None:
        app = await app_of(directory, options.app)
        keys = await store.keys(options.app)
        known, that_sign = ({key.kid for key in some} for some in (keys, _signing(keys, app)))
        for kid in options.kids:
            if kid not in known or not kid.startswith(DYNAMIC):
                raise CommandFailed(f"{kid} is no dynamic key of app {options.app}: see reseal keys list")
            if kid in that_sign:
                raise CommandFailed(f"{kid} still signs: run reseal keys rotate and wait until the new key does")
        await store.remove_keys(options.app, options.kids)

    in_store(options, run)
    for kid in options.kids:
        _emit_key_event(options, EventName.KEY_RETIRED, kid)
    show([{"removed": kid} for kid in options.kids], options)
    return DONE


def rewrap_keys(options: Namespace) -> int:
    """Encrypt all keys in the store with secret_key, and show when accepted_secret_keys may be removed.

    Until then lost responses are replayed with them: for a week, and for clients of interfaces before 5.6, or of the
    policy classic, until their session expires.
    """
    settings = settings_of(options)
    wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))

    async def run(directory: Directory, store: AsyncStore) -> tuple[int, int]:
        apps = await directory.apps()
        idle_ms = max(app.driver.app.refresh_token_ms for app in apps.values())
        return sum([await _rewrap(store, wrapping, app_id) for app_id in (*apps, KEYS_APP)]), idle_ms

    rewrapped, idle_ms = in_store(options, run)
    now = SystemClock().wall()
    may_go = {"accepted_may_go": time_of(now + WEEK), "with_older_interfaces": time_of(now + max(WEEK, idle_ms))}
    show([{"rewrapped": rewrapped} | may_go], options)
    return DONE


async def _rewrap(store: AsyncStore, wrapping: Wrapping, app_id: str) -> int:
    done = 0
    for key in await store.keys(app_id):
        if not wrapping.is_current(app_id, key):
            closed = wrapping.close(app_id, key.kid, wrapping.open(app_id, key), os.urandom(12))
            done += await store.replace_key(app_id, key, closed)
    return done


def list_apps(options: Namespace) -> int:
    """List apps and their tenants."""

    async def run(directory: Directory, _store: AsyncStore) -> Mapping[str, App]:
        return await directory.apps()

    apps = in_store(options, run, looks_only=True)
    show([{"app": name, "tenants": list(app.tenants)} for name, app in apps.items()], options)
    return DONE


def list_sessions(options: Namespace) -> int:
    """List the live sessions of a user."""

    async def run(app: App) -> list[Row]:
        handles = await app.driver.records.list_user(_tenants(options, app), options.user)
        return [await _session(app, handle) for handle in handles]

    show(in_app(options, run, looks_only=True), options, empty="No live session.")
    return DONE


def show_session(options: Namespace) -> int:
    """Show a live session, without its data and credentials."""

    async def run(app: App) -> list[Row]:
        return [await _session(app, options.handle)]

    show(in_app(options, run, looks_only=True), options)
    return DONE


def revoke_sessions(options: Namespace) -> int:
    """End sessions by handle, or all sessions of a user."""
    if bool(options.handles) == (options.user is not None):
        raise CommandFailed("name either session handles or --user")

    async def run(app: App) -> list[str]:
        if options.user is not None:
            return await app.driver.records.remove_user(_tenants(options, app), options.user)
        return await app.driver.records.remove(options.handles)

    ended = in_app(options, run)
    show([{"revoked": handle} for handle in ended], options, empty="No live session was revoked.")
    return DONE if ended else REFUSED


def end_before(options: Namespace) -> int:
    """End all sessions last refreshed before a moment, for use after a backup was restored."""
    which = Before(app_id=options.app, moment=moment_of(options.moment), tenant_id=options.tenant, user_id=options.user)
    if options.dry_run:
        show(in_store(options, lambda _, store: at_risk(store, which), looks_only=True), options, empty=_NONE_BEFORE)
        return DONE
    outbox = settings_of(options).event_outbox
    emitters = not_before.emitters(SystemClock(), audit_listener(options), outbox)

    async def run(directory: Directory, store: AsyncStore) -> int:
        await app_of(directory, options.app, options.tenant or DEFAULT_TENANT)
        await not_before.check(store, which)
        sessions, after = 0, not_before.FIRST
        while after is not None:
            ended = await not_before.step(store, which, after, emitters)
            sessions, after = sessions + ended.sessions, ended.after
        return sessions

    show([{"ended": in_store(options, run)}], options)
    return DONE


async def at_risk(store: AsyncStore, which: Before) -> list[Row]:
    """Return the sessions that ``sessions not-before`` would end."""
    rows: list[Row] = []
    after = Place()
    while found := await store.list_before(which, after, not_before.AT_ONCE):
        rows += [_row(record) | {"tenant": scope.tenant_id} for scope, record in found]
        after = Place(found[-1][0].tenant_id, found[-1][1].handle)
    return rows


def _signing(keys: Iterable[StoredKey], app: App) -> list[StoredKey]:
    return signing(keys, app.driver.app, SystemClock().wall())


def _emit_key_event(options: Namespace, name: EventName, kid: str) -> None:
    audit_listener(options)(
        Event(name=name, at=SystemClock().wall(), scope=Scope(options.app, DEFAULT_TENANT), reason=kid)
    )


async def _is_embedded(app: App) -> bool:
    """Return whether the keys here belong to an application with embedded sessions, not to a service."""
    kids = [key.kid for key in await app.store.keys(app.driver.app.app_id)]
    return any(kid.startswith(session_keys.PREFIXES) for kid in kids) and not any(
        kid.startswith(PREFIXES) for kid in kids
    )


def _tenants(options: Namespace, app: App) -> tuple[str, ...]:
    return (options.tenant,) if options.tenant else tuple(app.tenants)


async def _session(app: App, handle: str) -> Row:
    try:
        record = await app.driver.records.get(handle)
    except Unauthorised as error:
        raise CommandFailed(f"there is no live session {handle} ({error.reason.value})") from None
    return _row(record)


def _row(record: SessionRecord) -> Row:
    return {
        "handle": record.handle,
        "user": record.user_id,
        "tenant": tenant_of(record.handle),
        "created": time_of(record.created_at),
        "expires": time_of(record.expires_at),
        "last_seen": time_of(record.last_seen_at),
        "refreshes": record.generation,
        "ip": record.device.ip,
    }


def _key(key: StoredKey, *, signs: bool) -> Row:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created": time_of(key.created_at),
        "signs_from": time_of(key.signs_from),
        "signs": signs,
    }
