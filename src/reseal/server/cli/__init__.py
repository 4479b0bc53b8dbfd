"""The command line: ``reseal`` or ``python -m reseal``.

Results go to standard output, what went wrong to standard error, in one message. Exit codes: 0 done, 1 refused or
found wanting, 2 wrong usage, 3 a configuration that cannot be used, 4 a store that does not answer.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from typing import Final

from reseal.core.errors import ConfigurationError, InvalidInput, StoreUnavailable
from reseal.log import LOGGER
from reseal.server.cli import administration, callers, running, upkeep
from reseal.server.cli.arguments import Parser
from reseal.server.cli.exits import CONFIGURATION, DONE, REFUSED, UNAVAILABLE, CommandFailed
from reseal.server.cli.output import printable

__all__ = ["CONFIGURATION", "DONE", "REFUSED", "UNAVAILABLE", "main"]

_EXITS: Final = (
    "Exit codes: 0 done, 1 refused or found wanting, 2 wrong usage, 3 a configuration that cannot be used, "
    "4 a store that does not answer."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options, extra = _parser().parse_known_args(arguments)
    options.parser.refuse_unknown(extra)
    try:
        with _quiet():
            code = int(options.command(options))
            sys.stdout.flush()
            return code
    except (CommandFailed, InvalidInput) as refusal:
        return _complain(str(refusal), REFUSED)
    except ConfigurationError as error:
        return _complain(str(error), CONFIGURATION)
    except StoreUnavailable as error:
        return _complain(f"the session store does not answer: {error}", UNAVAILABLE)
    except KeyboardInterrupt:
        return _complain("interrupted", REFUSED)
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or else it would be told again at the end
        return REFUSED


def _parser() -> Parser:
    parser = Parser(prog="reseal", description="The session service and what looks after it.", epilog=_EXITS)
    parser.add_argument("--version", action="version", version=f"reseal {installed_version('reseal')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for part in (running, upkeep, administration, callers):
        part.add(commands)
    return parser


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the library logs beside its work off the terminal; a service sets its log up for itself."""
    level = LOGGER.level
    LOGGER.setLevel(logging.ERROR)
    try:
        yield
    finally:
        LOGGER.setLevel(level)


def _complain(text: str, code: int) -> int:
    print("reseal:", "\n".join(map(printable, text.split("\n"))), file=sys.stderr)
    return code
