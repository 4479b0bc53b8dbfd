"""A connection that knows which files it has open, and which process opened them.

SQLite notices neither. Where a file was moved, deleted or replaced it goes on writing to one that nobody will ever
read. And in a child that was forked with a connection open, it takes its parent's locks for its own.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from reseal.core.errors import StoreUnavailable
from reseal.log import LOGGER

Identity = tuple[int, int]
"""Device and inode of a file."""
_BESIDE: Final = ("-wal", "-shm")
_MOVED: Final = (
    "{path} was moved, deleted or replaced while it is open: nothing is read or written until it is back in its place, "
    "or this process is started again"
)
_CARRIED: Final = (
    "{path} was open while this process was forked, and Python does not know of the fork: open the sessions after it "
    "(uWSGI: lazy-apps = true)"
)
_logged: Final[set[str]] = set()
"""Problems that were logged and still exist."""


class FileConnection(sqlite3.Connection):
    """A connection to the database at an absolute path."""

    _open: Final[set[FileConnection]] = set()
    path: Path
    identity: Identity
    beside: tuple[Identity, ...]
    """Those of log and index, which live as long as any connection does."""
    pid: int
    _real: str
    """The path without links."""

    @classmethod
    def to(cls, path: Path, busy_timeout_s: float) -> Self:
        """Connect to a file that is there. Raises ``StoreUnavailable``, also in a child that cannot use it."""
        identity = identity_of(path)
        if any(each.identity == identity and each.pid != os.getpid() for each in tuple(cls._open)):
            raise _unavailable(_CARRIED, path)
        uri = f"file:{quote(str(path))}?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, factory=cls
        )
        connection.path, connection.identity, connection.pid = path, identity, os.getpid()
        cls._open.add(connection)
        return connection

    def close(self) -> None:
        self._open.discard(self)
        super().close()

    def require_identity(self, identity: Identity) -> None:
        """Make sure that it is the file that is meant. Raises ``StoreUnavailable``."""
        if self.identity != identity:
            raise _unavailable(_MOVED, self.path)

    def note_files(self) -> None:
        """Take note of the files beside the database, once they are there."""
        self._real = os.path.realpath(self.path)
        self.beside = self._beside()

    def require_file(self) -> None:
        """Make sure that the path still leads to the file that is open. Raises ``StoreUnavailable``."""
        if identity_of(self.path) != self.identity:
            raise _unavailable(_MOVED, self.path)
        if _logged:
            _logged.discard(_MOVED.format(path=self.path))

    def find_files(self) -> None:
        """Follow the links of the path, and do :meth:`require_files`."""
        self._real = os.path.realpath(self.path)  # SQLite follows links before it names the files beside
        self.require_files()

    def require_files(self) -> None:
        """Do :meth:`require_file` for the files beside it too: a write that goes to another log is lost."""
        self.require_file()
        if self._beside() != self.beside:
            raise _unavailable(_MOVED, self.path)

    def _beside(self) -> tuple[Identity, ...]:
        return tuple([identity_of(self._real + suffix) for suffix in _BESIDE])


def identity_of(path: Path | str) -> Identity:
    """Name the file that a path leads to. Raises ``StoreUnavailable`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at each commit, and a ``Path`` takes longer to make than to look up
    except OSError:
        raise _unavailable(_MOVED, path) from None
    return found.st_dev, found.st_ino


def _unavailable(problem: str, path: Path | str) -> StoreUnavailable:
    text = problem.format(path=path)
    if text not in _logged:
        _logged.add(text)
        LOGGER.error("%s", text)
    return StoreUnavailable(f"SQLite: {text}")
