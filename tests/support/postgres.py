"""A PostgreSQL of the tests' own: a cluster in a temporary folder, started when the first test asks for it.

Its durability is not turned down. Each test gets a schema of its own in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.support.ports import free_port

PASSWORD = "canary-7f2c:p@ss/word"
_NUMBERS = count()


class Cluster:
    """One server. ``restart`` and ``stop`` are the faults that it offers."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self._bin = binaries()
        self._as = unprivileged()
        self.settings = settings
        if self._as:
            shutil.chown(folder, self._as["user"], self._as["group"])
        (folder / "password").write_text(PASSWORD)
        if self._as:
            shutil.chown(folder / "password", self._as["user"], self._as["group"])
        self._run("initdb", "-D", str(folder / "data"), "-U", "reseal", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                  "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder}/password")  # fmt: skip

    def start(self) -> None:
        options = (
            f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=150 {self.settings}"
        )
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def restart(self) -> None:
        """Crash and recover."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def uri(self, schema: str = "public", database: str = "postgres", host: str = "", more: str = "") -> str:
        host = host or f"127.0.0.1:{self.port}"
        options = quote(f"-csearch_path={schema}", safe="")
        return f"postgresql://reseal:{quote(PASSWORD, safe='')}@{host}/{database}?options={options}{more}"

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.uri(database=database), autocommit=True)

    def schema(self) -> str:
        """Make an empty schema and give its name."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        with self.admin() as admin:
            admin.execute(f"CREATE SCHEMA {name}")
        return name

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([self._bin / program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, cwd="/", timeout=120, check=False, text=True, errors="replace",
                              **self._as)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The server that tests share; who stops it uses ``own_postgres``."""
    with cluster() as own:
        yield own


@pytest.fixture
def own_postgres() -> Iterator[Cluster]:
    """A server for one test, to be stopped and broken."""
    with cluster() as own:
        yield own


@pytest.fixture
def postgres_uri(postgres: Cluster) -> str:
    """An empty schema of the shared server."""
    return postgres.uri(postgres.schema())


def binaries() -> Path:
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not candidates:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    return candidates[-1]


@contextmanager
def cluster(settings: str = "") -> Iterator[Cluster]:
    """Start a server and throw it away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reseal-pg-"))
    try:
        own = Cluster(folder, settings)
        own.start()
        yield own
        if (folder / "data" / "postmaster.pid").exists():
            own.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged() -> dict[str, Any]:
    """The user to run the server as: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no unprivileged user to run PostgreSQL as")
