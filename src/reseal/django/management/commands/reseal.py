"""``manage.py reseal``: what an operator does with sessions and keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from reseal._sync.stores import make_store
from reseal.core.errors import ResealError
from reseal.core.model import SessionRecord
from reseal.django.sessions import configured, get_reseal, id_of
from reseal.log import utc

_ROWS: Final = 500
"""Sessions that one step of purging looks at."""
Row = Mapping[str, object]


class Command(BaseCommand):
    help = "List and end sessions, rotate keys, create tables, purge."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        _add(commands, _list)
        _add(commands, _revoke).add_argument("handles", nargs="*", metavar="HANDLE", help="end these sessions")
        not_before = _add(commands, _not_before)
        not_before.add_argument("moment", metavar="MOMENT", help="now, or a time with its zone: 2026-11-29T10:00Z")
        for run in (_rotate_keys, _migrate, _purge):
            _add(commands, run, user=False)

    def handle(self, *_: Any, **options: Any) -> None:
        run: Callable[[dict[str, Any]], list[Row]] = options["run"]
        try:
            rows = run(options)
        except ResealError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows or [{"found": "none"}]:
            self.stdout.write("  ".join(f"{name}={value}" for name, value in row.items() if value is not None))


def _add(commands: Any, run: Callable[[dict[str, Any]], list[Row]], *, user: bool = True) -> CommandParser:
    text = (run.__doc__ or "").strip()
    name = run.__name__.removeprefix("_").replace("_", "-")
    parser: CommandParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    if user:
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--user", metavar="ID", help="of the user with this id")
        whose.add_argument("--username", metavar="NAME", help="of the user with this name")
    return parser


def _list(options: dict[str, Any]) -> list[Row]:
    """List a user's sessions."""
    return [_described(record) for record in get_reseal().sessions.backend.list_user(_user(options))]


def _revoke(options: dict[str, Any]) -> list[Row]:
    """End sessions: those named by their handles, or all of a user."""
    sessions = get_reseal().sessions
    if options["handles"] and (options["user"] or options["username"]):
        raise CommandError("name handles or a user, not both")
    if options["handles"]:
        ended = sessions.revoke_multiple_sessions(options["handles"])
    else:
        ended = sessions.revoke_all_sessions_for_user(_user(options))
    return [{"ended": handle} for handle in ended]


def _not_before(options: dict[str, Any]) -> list[Row]:
    """End what was begun or refreshed before a moment for the last time: of a user, or of everybody."""
    text = options["moment"]
    moment = datetime.fromtimestamp(get_reseal().sessions.now() / 1000, UTC) if text == "now" else parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise CommandError("MOMENT must be now, or a date and time with its zone, like 2026-11-29T10:00Z")
    user_id = _user(options) if options["user"] or options["username"] else None
    return [{"ended": get_reseal().sessions.end_sessions_before(moment, user_id=user_id)}]


def _rotate_keys(_options: dict[str, Any]) -> list[Row]:
    """Publish a new signing key, which signs two minutes later."""
    return [{"kid": get_reseal().sessions.rotate_keys()}]


def _migrate(_options: dict[str, Any]) -> list[Row]:
    """Create or upgrade the tables and the keys, before the first request does."""
    get_reseal()
    return [{"store": "up to date"}]


def _purge(_options: dict[str, Any]) -> list[Row]:
    """Remove sessions long past their end. Signing in does so too, a little each time."""
    settings = configured().settings
    store = make_store(settings)
    store.open()
    try:
        removed, looked_at = 0, _ROWS
        while looked_at >= _ROWS:
            step = store.purge(_ROWS, settings.ended_sessions_kept_ms)
            removed, looked_at = removed + step.removed, step.looked_at
    finally:
        store.close()
    return [{"removed": removed}]


def _user(options: dict[str, Any]) -> str:
    if options["user"]:
        return str(options["user"])
    if not options["username"]:
        raise CommandError("name the user: --user ID or --username NAME")
    model = get_user_model()
    try:
        return id_of(model._default_manager.get_by_natural_key(options["username"]))  # type: ignore[attr-defined]  # noqa: SLF001
    except model.DoesNotExist:
        raise CommandError(f"there is no user named {options['username']!r}") from None


def _described(record: SessionRecord) -> Row:
    return {
        "handle": record.handle,
        "created": utc(record.created_at),
        "last_seen": utc(record.last_seen_at),
        "expires": utc(record.expires_at),
        "ip": record.device.ip,
        "user_agent": record.device.user_agent,
    }
