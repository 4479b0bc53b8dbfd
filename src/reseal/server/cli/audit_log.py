"""What commands leave behind: an event for each change, with who made it and why.

Events go where those of the service go, to standard error, and into a file in the state directory, so that they are
found although nobody kept the output.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from reseal.core.errors import ConfigurationError
from reseal.core.events import Event, EventListener, EventName
from reseal.log import as_json
from reseal.server import running_services
from reseal.server.cli.exits import CommandFailed

FILE: Final = "administration.log"
LONGEST: Final = 200
"""Characters of a name or a note."""
_CHANGES: Final = frozenset({EventName.SESSION_REVOKED, EventName.KEY_PUBLISHED, EventName.KEY_RETIRED})


def accountable(parser: ArgumentParser) -> ArgumentParser:
    """Add the options that say who and why."""
    parser.add_argument("--by", metavar="WHO", help="who does this, for the event; the user of this shell if absent")
    parser.add_argument("--note", "--reason", metavar="WHY", help="why, for the event")
    parser.add_argument("--state-dir", metavar="FOLDER", help=f"where {FILE} is")
    return parser


def audit_listener(options: Namespace) -> EventListener:
    """Give what writes the events of a command down. Raises ``ConfigurationError`` if the file cannot be written."""
    if "by" not in options:
        return lambda _event: None
    by, note = _bounded("--by", options.by or _operator()), _bounded("--note", options.note)
    write = _writer(running_services.prepare(running_services.state_dir(options.state_dir)) / FILE)

    def tell(event: Event) -> None:
        if event.name in _CHANGES:
            write(as_json(replace(event, by=by, note=note)))

    return tell


def _writer(path: Path) -> Callable[[str], None]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError((f"{path} cannot be written ({error.strerror}): name another --state-dir",)) from None

    def write(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())
        print(line, file=sys.stderr)

    return write


def _operator() -> str:
    """Name the person, also one who became root by ``sudo``, and the machine."""
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
