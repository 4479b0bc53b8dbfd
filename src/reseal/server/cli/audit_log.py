"""The audit log of commands: an event for each change, with its author and reason.

Events go to standard error, like those of the service, and to a file in the state directory, so that they survive even
if the output was not kept.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from reseal.core.errors import ConfigurationError
from reseal.core.events import Event, EventListener, EventName
from reseal.log import as_json
from reseal.server import running_services
from reseal.server.cli.exits import CommandFailed

FILE: Final = "administration.log"
LONGEST: Final = 200
"""Longest name or note, in characters."""
_CHANGES: Final = frozenset({EventName.SESSION_REVOKED, EventName.KEY_PUBLISHED, EventName.KEY_RETIRED})


def accountable(parser: ArgumentParser) -> ArgumentParser:
    """Add the options for author and reason."""
    parser.add_argument("--by", metavar="WHO", help="who does this, for the event; the user of this shell if absent")
    parser.add_argument("--note", "--reason", metavar="WHY", help="why, for the event")
    parser.add_argument("--state-dir", metavar="FOLDER", help=f"where {FILE} is")
    return parser


def author(options: Namespace) -> str:
    """Return who runs a command. Raises ``CommandFailed`` for a name that is too long."""
    return _bounded("--by", options.by or operator()) or ""


def audit_listener(options: Namespace) -> EventListener:
    """Return the listener that records a command's events. Raises ``ConfigurationError`` if its file is read-only."""
    if "by" not in options:
        return lambda _event: None
    by, note = author(options), _bounded("--note", options.note)
    write = _writer(running_services.prepare(running_services.state_dir(options.state_dir)) / FILE)

    def record(event: Event) -> None:
        if event.name in _CHANGES:
            write(as_json(replace(event, by=by, note=note)))

    return record


def _writer(path: Path) -> Callable[[str], None]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError((f"{path} cannot be written ({error.strerror}): name another --state-dir",)) from None

    def write(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())
        print(line, file=sys.stderr)

    return write


def operator() -> str:
    """Return the user, even behind ``sudo``, and the machine."""
    name = os.environ.get("SUDO_USER") or _user()
    return f"{name}@{socket.gethostname()}"[:LONGEST]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        return f"uid {os.getuid()}"


def _bounded(option: str, text: str | None) -> str | None:
    if text is not None and len(text) > LONGEST:
        raise CommandFailed(f"{option} is longer than {LONGEST} characters")
    return text
