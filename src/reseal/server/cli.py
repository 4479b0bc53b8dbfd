"""The command line: ``reseal`` or ``python -m reseal``.

Results go to standard output, what went wrong to standard error, in one message. Exit codes: 0 done, 1 refused or
found wanting, 2 wrong usage, 3 a configuration that cannot be used, 4 a store that does not answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

from reseal.clock import SystemClock
from reseal.core.errors import ConfigurationError, StoreUnavailable, Unauthorised
from reseal.core.model import SessionRecord, StoredKey
from reseal.core.wire_keys import DYNAMIC, STATIC
from reseal.log import LOGGER, log_event
from reseal.server import instances, journal
from reseal.server.config import ServiceSettings
from reseal.server.directory import DEFAULT_APP, App, Directory
from reseal.server.inspection import Finding, inspect
from reseal.server.instances import Instance
from reseal.server.stores import make_store
from reseal.wire.paths import DEFAULT
from reseal.wire.versions import SUPPORTED

DONE: Final = 0
REFUSED: Final = 1
CONFIGURATION: Final = 3
UNAVAILABLE: Final = 4

START_SECONDS: Final = 60
STOP_SECONDS: Final = 90
"""Longer than a delay and a grace period together."""
_LOOK_EVERY: Final = 0.05

Row = dict[str, Any]


class Refusal(Exception):
    """The command cannot do what was asked; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        with _quiet():
            return int(options.command(options))
    except Refusal as refusal:
        return _complain(str(refusal), REFUSED)
    except ConfigurationError as error:
        return _complain(str(error), CONFIGURATION)
    except StoreUnavailable as error:
        return _complain(f"the session store does not answer: {error}", UNAVAILABLE)
    except KeyboardInterrupt:
        return _complain("interrupted", REFUSED)


# ------------------------------------------------------------------------------------------------ the service itself


def serve(options: argparse.Namespace) -> int:
    """Answer requests in the foreground, until SIGTERM or SIGINT."""
    overrides = _overrides(options)
    settings = _settings(options, overrides)
    journal.set_up(settings.log_level)
    for note in settings.notes:
        print(f"reseal: note: {note}", file=sys.stderr)
    # several workers read the configuration anew, and the environment is how it reaches them
    if options.config:
        os.environ["RESEAL_CONFIG"] = str(Path(options.config).absolute())
    os.environ.update({f"RESEAL_{key.upper()}": str(value) for key, value in overrides.items()})
    try:
        from reseal.server import process  # noqa: PLC0415 - needs uvicorn, an optional package
    except ImportError:
        raise ConfigurationError(('the service needs uvicorn: pip install "reseal[server]"',)) from None
    listing = _Listing(instances.state_dir(options.state_dir), settings.base_path)
    try:
        return process.serve(settings, listing.announce, config_path=os.environ.get("RESEAL_CONFIG", ""))
    finally:
        listing.leave()


def start(options: argparse.Namespace) -> int:
    """Start the service in the background, and wait until it answers."""
    if options.foreground:
        return serve(options)
    settings = _settings(options, _overrides(options))
    state = instances.state_dir(options.state_dir)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = state / f"{settings.host}-{settings.port}.log"
    command = [sys.executable, "-m", "reseal", "serve", "--state-dir", str(state.absolute()), *_passed_on(options)]
    log.touch(mode=0o600)
    with log.open("ab") as output:
        read_from = output.tell()
        child = subprocess.Popen(  # noqa: S603 - this program, with options that were parsed
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    started = _await(lambda: _listed(state, child.pid) or child.poll() is not None, START_SECONDS)
    instance = _listed(state, child.pid)
    if instance is not None:
        print(_started(instance), flush=True)
        return DONE
    if not started:
        child.terminate()
        raise Refusal(f"the service did not answer within {START_SECONDS} seconds; its output is in {log}")
    with log.open("rb") as output:
        output.seek(read_from)
        sys.stderr.write(output.read().decode("utf-8", "replace"))
    return child.returncode or REFUSED


def stop(options: argparse.Namespace) -> int:
    """Stop one instance, or all, and wait until they are gone."""
    state = instances.state_dir(options.state_dir)
    chosen = [each for each in instances.running(state) if options.id in {None, each.pid}]
    if not chosen:
        raise Refusal("nothing to stop" if options.id is None else f"no instance with PID {options.id} runs here")
    for each in chosen:
        os.kill(each.pid, signal.SIGTERM)
    gone = _await(lambda: not {each.pid for each in chosen} & _pids(state), STOP_SECONDS)
    if not gone:
        raise Refusal(f"not all instances ended within {STOP_SECONDS} seconds")
    _show([{"stopped": each.pid, "host": each.host, "port": each.port} for each in chosen], options)
    return DONE


def list_instances(options: argparse.Namespace) -> int:
    """List the instances on this machine."""
    rows = [each._asdict() for each in instances.running(instances.state_dir(options.state_dir))]
    _show(rows, options, empty="No instance runs here.")
    return DONE


# ------------------------------------------------------------------------------------------------ looking after it


def migrate(options: argparse.Namespace) -> int:
    """Create the tables, or bring them up to date."""
    settings = _settings(options)

    async def run() -> None:
        async with _opened(settings):
            pass

    asyncio.run(run())
    _show([{"store": "up to date"}], options)
    return DONE


def check(options: argparse.Namespace) -> int:
    """Check configuration, store, clock, schema and keys; list every failure."""
    try:
        findings = asyncio.run(inspect(_settings(options)))
    except ConfigurationError as error:
        findings = [Finding("configuration", fine=False, text=problem) for problem in error.problems]
    if options.json:
        _print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.fine else 'FAIL'}  {finding.subject}: {finding.text}")
    return DONE if all(finding.fine for finding in findings) else REFUSED


def show_version(options: argparse.Namespace) -> int:
    """Tell versions."""
    facts = {
        "reseal": installed_version("reseal"),
        "interface": f"{SUPPORTED[0]} to {SUPPORTED[-1]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    _show([facts], options)
    return DONE


def list_keys(options: argparse.Namespace) -> int:
    """List the keys of an app, without what is secret in them."""
    settings = _settings(options)

    async def run() -> tuple[StoredKey, ...]:
        async with _opened(settings) as (directory, store):
            await _app(directory, options.app, DEFAULT)
            keys: tuple[StoredKey, ...] = await store.keys(options.app)
            return keys

    keys = asyncio.run(run())
    signing = _signing_kids(keys, SystemClock().wall())
    rows = [
        {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "created": _time(key.created_at),
            "signs_from": _time(key.signs_from),
            "signs": key.kid in signing,
        }
        for key in keys
    ]
    _show(rows, options, empty="No keys yet; they are made at the first start.")
    return DONE


def rotate_keys(options: argparse.Namespace) -> int:
    """Publish a new dynamic signing key; it signs a minute later."""

    async def run(app: App) -> str:
        return await app.driver.rotate_keys()

    _show([{"kid": _with_app(options, run)}], options)
    return DONE


def list_apps(options: argparse.Namespace) -> int:
    """List apps with their tenants."""
    settings = _settings(options)

    async def run() -> Mapping[str, App]:
        async with _opened(settings) as (directory, _):
            return await directory.apps()

    rows = [{"app": name, "tenants": list(app.tenants)} for name, app in asyncio.run(run()).items()]
    _show(rows, options)
    return DONE


def list_sessions(options: argparse.Namespace) -> int:
    """List the live sessions of a user."""

    async def run(app: App) -> list[Row]:
        handles = await app.driver.list_user(_tenants(options, app), options.user)
        return [await _session(app, handle) for handle in handles]

    _show(_with_app(options, run), options, empty="No live session.")
    return DONE


def show_session(options: argparse.Namespace) -> int:
    """Show a live session, without its data and without anything that could be presented."""

    async def run(app: App) -> list[Row]:
        return [await _session(app, options.handle)]

    _show(_with_app(options, run), options)
    return DONE


def revoke_sessions(options: argparse.Namespace) -> int:
    """End sessions by handle, or all of a user."""
    if bool(options.handles) == (options.user is not None):
        raise Refusal("name either session handles or --user")

    async def run(app: App) -> list[str]:
        if options.user is not None:
            return await app.driver.remove_user(_tenants(options, app), options.user)
        return await app.driver.remove(options.handles)

    ended = _with_app(options, run)
    _show([{"revoked": handle} for handle in ended], options, empty="No live session was revoked.")
    return DONE if ended else REFUSED


# ------------------------------------------------------------------------------------------------ parts


class _Listing:
    """The entry of this process among the running ones."""

    def __init__(self, state: Path, base_path: str) -> None:
        self._state = state
        self._base_path = base_path
        self._entry: Any = None

    def announce(self, host: str, port: int) -> None:
        instance = Instance(os.getpid(), host, port, self._base_path)
        self._entry = instances.entered(self._state, instance)
        self._entry.__enter__()
        print(_started(instance), flush=True)

    def leave(self) -> None:
        if self._entry is not None:
            self._entry.__exit__(None, None, None)


@asynccontextmanager
async def _opened(settings: ServiceSettings) -> AsyncIterator[tuple[Directory, Any]]:
    store = make_store(settings)
    await store.open()
    try:
        yield Directory(settings, store, SystemClock(), on_event=log_event), store
    finally:
        await store.close()


async def _app(directory: Directory, app_id: str, tenant_id: str) -> App:
    app = await directory.find(app_id, tenant_id)
    if app is None:
        raise Refusal(f"there is no tenant {tenant_id} of an app {app_id}")
    return app


def _with_app(options: argparse.Namespace, run: Callable[[App], Awaitable[Any]]) -> Any:
    settings = _settings(options)

    async def opened() -> Any:
        async with _opened(settings) as (directory, _):
            app = await _app(directory, options.app, getattr(options, "tenant", None) or DEFAULT)
            await app.driver.ring()
            return await run(app)

    return asyncio.run(opened())


def _tenants(options: argparse.Namespace, app: App) -> tuple[str, ...]:
    return (options.tenant,) if options.tenant else tuple(app.tenants)


async def _session(app: App, handle: str) -> Row:
    try:
        record, facts = await app.driver.get(handle)
    except Unauthorised as error:
        raise Refusal(f"there is no live session {handle} ({error.reason.value})") from None
    return _row(record, facts.tenant_id)


def _row(record: SessionRecord, tenant_id: str) -> Row:
    return {
        "handle": record.handle,
        "user": record.user_id,
        "tenant": tenant_id,
        "created": _time(record.created_at),
        "expires": _time(record.expires_at),
        "last_seen": _time(record.last_seen_at),
        "refreshes": record.generation,
        "ip": record.device.ip,
    }


def _signing_kids(keys: Iterable[StoredKey], now: int) -> set[str]:
    newest_first = sorted(keys, key=lambda key: (key.created_at, key.kid), reverse=True)
    dynamic = [key for key in newest_first if key.kid.startswith(DYNAMIC)]
    static = [key for key in newest_first if key.kid.startswith(STATIC)]
    current = next((key for key in dynamic if key.signs_from <= now), None)
    return {key.kid for key in (current, *static[:1]) if key is not None}


def _settings(options: argparse.Namespace, overrides: Mapping[str, object] | None = None) -> ServiceSettings:
    return ServiceSettings.load(options.config, overrides=overrides)


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    given = {key: getattr(options, key) for key in ("host", "port", "workers")}
    return {key: value for key, value in given.items() if value is not None}


def _passed_on(options: argparse.Namespace) -> list[str]:
    config = ["--config", str(Path(options.config).absolute())] if options.config else []
    return [*config, *(f"--{key}={value}" for key, value in _overrides(options).items())]


def _listed(state: Path, pid: int) -> Instance | None:
    return next((each for each in instances.running(state) if each.pid == pid), None)


def _pids(state: Path) -> set[int]:
    return {each.pid for each in instances.running(state)}


def _await(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def _started(instance: Instance) -> str:
    return f"Started Reseal on {instance.host}:{instance.port} with PID: {instance.pid}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _show(rows: Sequence[Row], options: argparse.Namespace, *, empty: str = "") -> None:
    """Print rows as a table, or as JSON."""
    if options.json:
        _print_json(list(rows))
        return
    if not rows:
        print(empty)
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    """Write a value for a terminal: nothing that a user id could steer it with."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


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
    print(f"reseal: {text}", file=sys.stderr)
    return code


# ------------------------------------------------------------------------------------------------ arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reseal", description="The session service and what looks after it.")
    parser.add_argument("--version", action="version", version=f"reseal {installed_version('reseal')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_service(commands)
    for name, command in (("migrate", migrate), ("check", check)):
        _configured(_command(commands, name, command))
    _command(commands, "version", show_version)
    _add_administration(commands)
    return parser


def _add_service(commands: Any) -> None:
    for name, command in (("serve", serve), ("start", start)):
        parser = _command(commands, name, command, json_too=False)
        _configured(parser)
        parser.add_argument("--host", help="address to listen on")
        parser.add_argument("--port", type=int, help="port to listen on")
        parser.add_argument("--workers", type=int, help="number of processes")
        _stateful(parser)
        if name == "start":
            parser.add_argument("--foreground", action="store_true", help="stay in the foreground, as serve does")
            parser.add_argument("mode", nargs="?", choices=("dev", "production"), help=argparse.SUPPRESS)
            parser.add_argument("--no-in-mem-db", action="store_true", help=argparse.SUPPRESS)
            for ignored in ("--with-space", "--with-temp-dir"):
                parser.add_argument(ignored, help=argparse.SUPPRESS)
    parser = _command(commands, "stop", stop)
    parser.add_argument("--id", type=int, metavar="PID", help="stop this instance alone")
    _stateful(parser)
    _stateful(_command(commands, "list", list_instances))


def _add_administration(commands: Any) -> None:
    keys = _group(commands, "keys", "signing keys")
    for name, command in (("list", list_keys), ("rotate", rotate_keys)):
        _scoped(_command(keys, name, command))
    sessions = _group(commands, "sessions", "sessions of users")
    parser = _scoped(_command(sessions, "list", list_sessions), tenant=True)
    parser.add_argument("--user", required=True, metavar="ID")
    parser = _scoped(_command(sessions, "show", show_session))
    parser.add_argument("handle", metavar="HANDLE")
    parser = _scoped(_command(sessions, "revoke", revoke_sessions), tenant=True)
    parser.add_argument("handles", nargs="*", metavar="HANDLE")
    parser.add_argument("--user", metavar="ID", help="end all sessions of this user")
    apps = _group(commands, "apps", "apps and tenants")
    _configured(_command(apps, "list", list_apps))


def _group(commands: Any, name: str, text: str) -> Any:
    group = commands.add_parser(name, help=text, description=text)
    return group.add_subparsers(title="commands", required=True, metavar="COMMAND")


def _command(
    commands: Any, name: str, command: Callable[[argparse.Namespace], int], *, json_too: bool = True
) -> argparse.ArgumentParser:
    text = (command.__doc__ or "").strip()
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(command=command, json=False)
    if json_too:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _configured(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--config", "--with-config", metavar="FILE", help="config.yaml; RESEAL_CONFIG if absent")
    return parser


def _stateful(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state-dir", metavar="FOLDER", help="where running instances are listed")


def _scoped(parser: argparse.ArgumentParser, *, tenant: bool = False) -> argparse.ArgumentParser:
    _configured(parser).add_argument("--app", default=DEFAULT_APP, metavar="ID", help="the app, public if absent")
    if tenant:
        parser.add_argument("--tenant", metavar="ID", help="this tenant alone; all of the app if absent")
    return parser
