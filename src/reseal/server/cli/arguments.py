"""The options shared by commands, and loading the configuration that they name."""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from reseal.server.config import ServiceSettings
from reseal.server.tenants.rows import DEFAULT_APP

Command = Callable[[Namespace], int]


class Parser(ArgumentParser):
    """Reports a usage error in one line, with a suggestion."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def refuse_unknown(self, extra: Sequence[str]) -> None:
        """Exit with a message if there are unknown arguments."""
        if extra:
            self.error(f"{extra[0]} is not known here{_close(extra[0], self._option_string_actions)}")

    def _check_value(self, action: Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            option = f"{action.option_strings[0]} is" if action.option_strings else "the command is"
            raise ArgumentError(
                None, f"{option} not {value!r}{_close(str(value), known)} but one of {', '.join(known)}"
            )


def _close(given: str, known: Iterable[str]) -> str:
    close = get_close_matches(given, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def group(commands: Any, name: str, text: str) -> Any:
    """Add a group of subcommands."""
    parser = commands.add_parser(name, help=text, description=text)
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def command(commands: Any, name: str, run: Command, *, json_too: bool = True) -> ArgumentParser:
    """Add a command; the docstring of ``run`` is its ``--help`` text."""
    text = (run.__doc__ or "").strip()
    parser: ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(command=run, json=False, parser=parser)
    if json_too:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def configured(parser: ArgumentParser) -> ArgumentParser:
    text = "the configuration; if absent, the file that RESEAL_CONFIG names, or none"
    parser.add_argument("--config", "--with-config", metavar="FILE", help=text)
    return parser


def stateful(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--state-dir", metavar="FOLDER", help="where running instances are listed")
    return parser


def scoped(parser: ArgumentParser, *, tenant: bool = False) -> ArgumentParser:
    configured(parser).add_argument("--app", default=DEFAULT_APP, metavar="ID", help="the app, public if absent")
    if tenant:
        parser.add_argument("--tenant", metavar="ID", help="this tenant alone; all of the app if absent")
    return parser


def settings_of(options: Namespace, overrides: Mapping[str, object] | None = None) -> ServiceSettings:
    """Load the configuration that the options name. Raises ``ConfigurationError``."""
    return ServiceSettings.load(options.config, overrides=overrides)
