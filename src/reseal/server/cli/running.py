"""Commands that run the service: serve, start, stop, list."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import SUPPRESS, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from reseal.core.errors import ConfigurationError
from reseal.log import LOGGER
from reseal.server import request_log, running_services
from reseal.server.cli.arguments import command, configured, settings_of, stateful
from reseal.server.cli.exits import DONE, REFUSED, CommandFailed
from reseal.server.cli.output import show
from reseal.server.running_services import Instance

START_SECONDS: Final = 60
STOP_SECONDS: Final = 90
"""Longer than a delay and a grace period together."""
_LOOK_EVERY: Final = 0.05
_OVERRIDES: Final = ("host", "port", "workers")


def add(commands: Any) -> None:
    """Declare these commands."""
    for name, run in (("serve", serve), ("start", start)):
        parser = stateful(configured(command(commands, name, run, json_too=False)))
        parser.add_argument("--host", help="address to listen on")
        parser.add_argument("--port", type=int, help="port to listen on; 0 takes any free one")
        parser.add_argument("--workers", type=int, metavar="NUMBER", help="number of processes")
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground, as serve does")
    # options that scripts for other cores pass
    parser.add_argument("mode", nargs="?", choices=("dev", "production"), help=SUPPRESS)
    parser.add_argument("--no-in-mem-db", action="store_true", help=SUPPRESS)
    for ignored in ("--with-space", "--with-temp-dir"):
        parser.add_argument(ignored, help=SUPPRESS)
    parser = stateful(command(commands, "stop", stop))
    parser.add_argument("--id", type=int, metavar="PID", help="stop this instance alone")
    stateful(command(commands, "list", list_instances))


def serve(options: Namespace) -> int:
    """Answer requests in the foreground, until SIGTERM or SIGINT."""
    overrides = _overrides(options)
    settings = settings_of(options, overrides)
    state = running_services.prepare(running_services.state_dir(options.state_dir))
    request_log.set_up(settings.log_level)
    for note in settings.notes:
        LOGGER.warning("%s", note)
    # each worker loads the configuration again, and gets these values through its environment
    if options.config:
        os.environ["RESEAL_CONFIG"] = str(Path(options.config).absolute())
    os.environ.update({f"RESEAL_{key.upper()}": str(value) for key, value in overrides.items()})
    try:
        from reseal.server import process  # noqa: PLC0415 - needs optional packages
    except ModuleNotFoundError as error:
        raise ConfigurationError((f'the service needs {error.name}: pip install "reseal[server]"',)) from None
    with ExitStack() as listed:

        def announce(host: str, port: int) -> None:
            instance = Instance(os.getpid(), host, port, settings.base_path)
            listed.enter_context(running_services.registered(state, instance))
            print(_started(instance), flush=True)

        return process.serve(settings, announce, config_path=os.environ.get("RESEAL_CONFIG", ""))


def start(options: Namespace) -> int:
    """Start the service in the background, and wait until it answers."""
    if options.foreground:
        return serve(options)
    settings = settings_of(options, _overrides(options))
    state = running_services.prepare(running_services.state_dir(options.state_dir))
    log = state / f"{settings.host}-{settings.port}.log"
    program = [sys.executable, "-m", "reseal", "serve", "--state-dir", str(state.absolute()), *_passed_on(options)]
    log.touch(mode=0o600)
    with log.open("ab") as output:
        read_from = output.tell()
        child = subprocess.Popen(  # noqa: S603 - this program, with options that were parsed
            program, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        settled = _await(lambda: _listed(state, child.pid) or child.poll() is not None, START_SECONDS)
    except KeyboardInterrupt:
        child.terminate()
        raise
    instance = _listed(state, child.pid)
    if instance is not None:
        print(_started(instance), flush=True)
        return DONE
    if not settled:
        child.terminate()
        raise CommandFailed(f"the service did not answer within {START_SECONDS} seconds; its output is in {log}")
    with log.open("rb") as output:
        output.seek(read_from)
        sys.stderr.write(output.read().decode("utf-8", "replace"))
    return child.returncode or REFUSED


def stop(options: Namespace) -> int:
    """Stop one instance, or all, and wait until they have exited."""
    state = running_services.state_dir(options.state_dir)
    chosen = [each for each in running_services.running(state) if options.id in {None, each.pid}]
    if not chosen:
        raise CommandFailed("nothing to stop" if options.id is None else f"no instance with PID {options.id} runs here")
    for each in chosen:
        _terminate(each)
    gone = _await(lambda: not {each.pid for each in chosen} & _pids(state), STOP_SECONDS)
    if not gone:
        raise CommandFailed(f"not all instances ended within {STOP_SECONDS} seconds")
    show([{"stopped": each.pid, "host": each.host, "port": each.port} for each in chosen], options)
    return DONE


def list_instances(options: Namespace) -> int:
    """List the instances on this machine."""
    rows = [each._asdict() for each in running_services.running(running_services.state_dir(options.state_dir))]
    show(rows, options, empty="No instance runs here.")
    return DONE


def _overrides(options: Namespace) -> dict[str, object]:
    given = {key: getattr(options, key) for key in _OVERRIDES}
    return {key: value for key, value in given.items() if value is not None}


def _passed_on(options: Namespace) -> list[str]:
    config = ["--config", str(Path(options.config).absolute())] if options.config else []
    return [*config, *(f"--{key}={value}" for key, value in _overrides(options).items())]


def _terminate(instance: Instance) -> None:
    try:
        os.kill(instance.pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it has already exited
    except PermissionError:
        raise CommandFailed(f"the instance with PID {instance.pid} belongs to another user") from None


def _listed(state: Path, pid: int) -> Instance | None:
    return next((each for each in running_services.running(state) if each.pid == pid), None)


def _pids(state: Path) -> set[int]:
    return {each.pid for each in running_services.running(state)}


def _await(condition: Callable[[], object], seconds: float) -> bool:
    """Poll until the condition holds or the timeout expires."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def _started(instance: Instance) -> str:
    return f"Started Reseal on {instance.host}:{instance.port} with PID: {instance.pid}"
