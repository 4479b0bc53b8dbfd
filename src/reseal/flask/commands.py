"""``flask reseal …``: commands for the sessions of an application, with its own configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from reseal._sync.reseal import Reseal as CoreReseal
from reseal.core.errors import ResealError
from reseal.core.model import SessionRecord
from reseal.flask.application import AppSessions, bare_views, installed
from reseal.settings import Settings

reseal_commands: AppGroup = AppGroup("reseal", help="List and revoke sessions, rotate keys, check the configuration.")


@reseal_commands.command("sessions")
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_sessions(user: str, *, as_json: bool) -> None:
    """List the live sessions of a user, oldest first."""
    with _opened() as sessions:
        rows = [_row(record) for record in sessions.backend.list_user(user)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo("  ".join(_printable(value or "-") for value in row.values()))
    if not rows:
        click.echo("No live session.")


@reseal_commands.command("revoke")
@click.argument("handles", nargs=-1, metavar="[HANDLE]...")
@click.option("--user", help="End all sessions of this user instead.")
def revoke_sessions(handles: tuple[str, ...], user: str | None) -> None:
    """End sessions by handle, or all sessions of a user."""
    if bool(handles) == (user is not None):
        raise click.UsageError("name either session handles or --user")
    with _opened() as sessions:
        ended = (
            sessions.revoke_multiple_sessions(handles) if user is None else sessions.revoke_all_sessions_for_user(user)
        )
    if not ended:
        raise click.ClickException("no live session was revoked")
    for handle in ended:
        click.echo(f"revoked {handle}")


@reseal_commands.command("rotate-keys")
def rotate_keys() -> None:
    """Publish a new signing key, which signs two minutes later."""
    with _opened() as sessions:
        click.echo(f"published {sessions.rotate_keys()}")


@reseal_commands.command("check")
def check() -> None:
    """Open the store, and look for mistakes in the application."""
    with _opened():
        problems = [*bare_views(current_app), *_weaknesses(current_app, installed(current_app))]
    if problems:
        raise click.ClickException("\n".join(problems))
    click.echo("No problems.")


def _weaknesses(app: Flask, ours: AppSessions) -> Iterator[str]:
    settings: Settings = ours.settings
    if ours.login_view is not None and ours.login_view not in app.view_functions:
        yield f"login_view names the endpoint {ours.login_view!r}, which does not exist: see flask routes"
    if settings.database_path is None and settings.server_uri is None:
        yield "RESEAL_DATABASE_URI is memory: sessions end with the process, and each worker has its own"
    elif settings.secret_key is None:
        yield "RESEAL_SECRET_KEY is absent: whoever reads the database can sign access tokens; see docs/security.md"
    if not settings.secure_cookies and not settings.is_local:
        yield "cookies are sent over plain http: set RESEAL_API_DOMAIN to an https origin"


@contextmanager
def _opened() -> Iterator[CoreReseal]:
    ours = installed(current_app)
    try:
        ours.opening.ensure()
        yield ours.sessions
    except ResealError as error:
        raise click.ClickException(str(error)) from None


def _row(record: SessionRecord) -> dict[str, str | None]:
    return {
        "handle": record.handle,
        "created": _time(record.created_at),
        "expires": _time(record.expires_at),
        "ip": record.device.ip,
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
