"""The command line: ``reseal`` or ``python -m reseal``.

Results go to standard output, errors to standard error as one message. Exit codes: 0 done, 1 refused or a check
failed, 2 wrong usage, 3 an unusable configuration, 4 a store that does not answer.
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
from reseal.server.cli import administration, audit, callers, cases, events, partition, running, upkeep, webhooks
from reseal.server.cli.arguments import Parser
from reseal.server.cli.exits import CONFIGURATION, DONE, REFUSED, UNAVAILABLE, CommandFailed
from reseal.server.cli.output import printable

__all__ = ["CONFIGURATION", "DONE", "REFUSED", "UNAVAILABLE", "main"]

_EXITS: Final = (
    "Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 an unusable configuration, "
    "4 a store that does not answer."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
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
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter would report it at exit
        return REFUSED


def _parser() -> Parser:
    parser = Parser(prog="reseal", description="Run and administer the session service.", epilog=_EXITS)
    parser.add_argument("--version", action="version", version=f"reseal {installed_version('reseal')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for part in (running, upkeep, partition, administration, cases, events, webhooks, audit, callers):
        part.add(commands)
    return parser


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log messages off the terminal; a service configures its own log."""
    level = LOGGER.level
    LOGGER.setLevel(logging.ERROR)
    try:
        yield
    finally:
        LOGGER.setLevel(level)


def _complain(text: str, code: int) -> int:
    print("reseal:", "\n".join(map(printable, text.split("\n"))), file=sys.stderr)
    return code
