"""A MariaDB of the tests' own: a server in a temporary folder, started when the first test asks for it.

Its durability is not turned down. Each test gets a database of its own in it. ``TEST_MYSQLD`` names the server of a
MySQL to be used instead; the programs that talk to it are MariaDB's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.support.ports import free_port

PASSWORD: Final = "canary-5d1e:p@ss/word"
_NUMBERS = count()
_DEADLINE_S: Final = 60
MYSQL: Final = os.environ.get("TEST_MYSQLD", "")
_SETTINGS: Final = (
    *(
        ("--mysqlx=OFF", "--auto-generate-certs=OFF", "--innodb-redo-log-capacity=32M")
        if MYSQL
        else ("--sync-frm=OFF", "--innodb-log-file-size=32M")
    ),
    "--innodb-file-per-table=0",
    "--innodb-buffer-pool-size=32M",
)


class MariaDB:
    """One server. ``restart``, ``kill`` and ``stop`` are the faults that it offers."""

    title = "MariaDB"

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._as = unprivileged()
        if self._as:
            shutil.chown(folder, self._as["user"], self._as["group"])
        data = f"--datadir={folder}/data"
        if MYSQL:
            self._run("mariadbd", "--no-defaults", "--initialize-insecure", "--auto-generate-certs=OFF", data)
        else:
            self._run("mariadb-install-db", "--no-defaults", data, "--skip-test-db",
                      "--auth-root-authentication-method=normal")  # fmt: skip

    def start(self, *more: str) -> None:
        """Start the server, and wait until it answers."""
        with (self.folder / "err").open("ab") as log:
            self._server = subprocess.Popen(
                [binary("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self._socket}",
                 f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", "--skip-name-resolve", "--performance-schema=OFF", "--skip-log-bin", "--max-connections=200",
                 *_SETTINGS, *self.settings, *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self._as,
            )  # fmt: skip
        deadline = time.monotonic() + _DEADLINE_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB does not start:\n{(self.folder / 'err').read_text(errors='replace')}")
            time.sleep(0.05)

    def make_user(self) -> None:
        """Make the user as whom the store connects."""
        self.sql(f"CREATE USER reseal IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON `test\\_%`.* TO reseal")

    def stop(self) -> None:
        """Shut down cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Crash and recover."""
        self.kill()
        self.start()

    def uri(self, database: str, more: str = "", host: str = "", scheme: str = "mysql") -> str:
        return f"{scheme}://reseal:{quote(PASSWORD, safe='')}@{host or f'127.0.0.1:{self.port}'}/{database}{more}"

    def database(self) -> str:
        """Make an empty database and give its name."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def sql(self, text: str, database: str = "", deadline: float = 120) -> str:
        """Run statements as the administrator, for so many seconds at most; returns the rows, one a line."""
        return self._run(
            "mariadb", "--no-defaults", "-uroot", f"--socket={self._socket}", "--batch", "--skip-column-names",
            *([f"--database={database}"] if database else []), f"--execute={text}", deadline=deadline,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._server is not None, "it does not run"
        return self._server.pid

    @property
    def _socket(self) -> Path:
        return self.folder / "s.sock"

    def _answers(self) -> bool:
        done = subprocess.run(
            [binary("mariadb-admin"), "--no-defaults", "-uroot", f"--socket={self._socket}", "ping"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def send(self, how: signal.Signals) -> None:
        """Send a signal to the server."""
        if self._server is not None:
            self._server.send_signal(how)

    def _end(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(_DEADLINE_S)
            self._server = None

    def _run(self, program: str, *arguments: str, deadline: float = 120) -> str:
        done = subprocess.run(
            [binary(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, cwd="/", timeout=deadline,
            check=False, text=True, errors="replace", **self._as,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return str(done.stdout)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The server that tests share; who stops it uses ``own_mariadb``."""
    with server() as own:
        yield own


@pytest.fixture
def own_mariadb() -> Iterator[MariaDB]:
    """A server for one test, to be stopped and broken."""
    with server() as own:
        yield own


@pytest.fixture
def mariadb_uri(mariadb: MariaDB) -> str:
    """An empty database of the shared server."""
    return mariadb.uri(mariadb.database())


@contextmanager
def server(*settings: str) -> Iterator[MariaDB]:
    """Start a server and throw it away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reseal-maria-"))
    own = None
    try:
        own = MariaDB(folder, *settings)
        own.start()
        own.make_user()
        yield own
    finally:
        if own is not None:
            own.kill()
        shutil.rmtree(folder, ignore_errors=True)


def binary(name: str) -> str:
    if MYSQL and name == "mariadbd":
        return MYSQL
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/libexec")
    if found is None:
        pytest.fail("MariaDB is not installed: apt-get install mariadb-server")
    return found


def unprivileged() -> dict[str, Any]:
    """The user to run the server as: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in ("mysql", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no unprivileged user to run MariaDB as")
