"""The services running on this machine: files ``.started/<host>-<port>`` in a state directory, locked by their owner.

A pid alone proves nothing, since the system may have reused it. The lock ends with the process.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reseal.core.errors import ConfigurationError
from reseal.server.config import STATE_VARIABLE


class Instance(NamedTuple):
    """A running service."""

    pid: int
    host: str
    port: int
    base_path: str


def state_dir(given: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory: the one given, ``RESEAL_STATE_DIR``, or the user's own."""
    chosen = given or environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "reseal"


def prepare(state: Path) -> Path:
    """Create the state directory if it is missing. Raises ``ConfigurationError`` if it is not writable."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _started(state).mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=_started(state)):
            return state
    except OSError as error:
        problem = f"the state directory {state} cannot be written to ({error.strerror})"
        raise ConfigurationError((f"{problem}: name another with --state-dir or {STATE_VARIABLE}",)) from None


@contextmanager
def registered(state: Path, instance: Instance) -> Iterator[None]:
    """Register this instance for the duration of the block.

    The one before on the same port may still be leaving: it is not waited for, and does not remove this entry.
    """
    folder = _started(state)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, new = folder / f"{instance.host}-{instance.port}", folder / f"{instance.pid}.new"
    with new.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(f"{instance.pid}\n{instance.base_path}\n")
        file.flush()
        new.replace(path)
        try:
            yield
        finally:
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                path.unlink(missing_ok=True)


def running(state: Path) -> list[Instance]:
    """List the running services; files left behind by a crash are ignored.

    Raises ``ConfigurationError`` if the state directory cannot be read.
    """
    try:
        entries = sorted(_started(state).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = f"the state directory {state} cannot be read ({error.strerror})"
        raise ConfigurationError((f"{problem}: name another with --state-dir or {STATE_VARIABLE}",)) from None
    found = (_read(path) for path in entries if "-" in path.name)
    return [instance for instance in found if instance is not None]


def _started(state: Path) -> Path:
    return state / ".started"


def _read(path: Path) -> Instance | None:
    with suppress(OSError, ValueError), path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, base_path = file.read().partition("\n")
            host, _, port = path.name.rpartition("-")
            return Instance(int(pid), host, int(port), base_path.strip())
    return None
