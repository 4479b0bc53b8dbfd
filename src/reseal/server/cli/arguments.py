"""The options that commands share, and the configuration that they lead to."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from reseal.server.config import ServiceSettings
from reseal.server.directory import DEFAULT_APP

Command = Callable[[Namespace], int]


def group(commands: Any, name: str, text: str) -> Any:
    """Add a command that only has commands of its own."""
    parser = commands.add_parser(name, help=text, description=text)
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def command(commands: Any, name: str, run: Command, *, json_too: bool = True) -> ArgumentParser:
    """Add a command; the docstring of ``run`` is what ``--help`` says about it."""
    text = (run.__doc__ or "").strip()
    parser: ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(command=run, json=False)
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
    """Load the configuration that the options lead to. Raises ``ConfigurationError``."""
    return ServiceSettings.load(options.config, overrides=overrides)
