"""A PostgreSQL of the tests' own: a cluster in a temporary folder, started when the first test asks for it.

Its durability is not turned down. Each test gets a schema of its own in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.support.ports import free_port

PASSWORD = "canary-7f2c:p@ss/word"
STANDBY = "standby"
"""The name of a standby at its primary."""
_NUMBERS = count()


class Cluster:
    """One server. ``restart``, ``stop`` and ``kill`` are the faults that it offers.

    With ``of`` it is a standby of that one, and gets what it writes over a slot of its own name.
    """

    title = "PostgreSQL"

    def __init__(self, folder: Path, settings: str = "", of: Cluster | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._bin = binaries()
        self._as = unprivileged()
        self.settings = settings
        if self._as:
            shutil.chown(folder, self._as["user"], self._as["group"])
        if of is not None:
            name = folder.name.replace("-", "_").lower()
            self._run("pg_basebackup", "-D", str(folder / "data"), "-R", "-X", "stream", "-C", "-S", name,
                      "--checkpoint=fast", "--no-sync", "-d",
                      f"host={of.folder} port={of.port} user=reseal application_name={STANDBY}")  # fmt: skip
            return
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

    def kill(self) -> None:
        """End every process of it at once, as a machine ends that loses power."""
        pids = [self.pid, *children(self.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # none notices that another is gone
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        (self.folder / "data" / "postmaster.pid").unlink()

    def promote(self) -> None:
        """Make the standby a primary."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "promote")

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


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(each.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(each.parent.name))
    return found


def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it has not come to this"
        time.sleep(0.05)


@contextmanager
def pair(*, synchronous: bool) -> Iterator[tuple[Cluster, Cluster]]:
    """Start a primary with a standby that has all it wrote; throw both away afterwards."""
    settings = "-c wal_retrieve_retry_interval=100ms -c wal_sender_timeout=5s"
    with cluster(settings) as primary, cluster(settings, primary) as standby:
        with primary.admin() as admin:
            if synchronous:
                admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 ({STANDBY})'")
                admin.execute("SELECT pg_reload_conf()")
            state = "sync" if synchronous else "async"
            of = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = %s"
            until(lambda: admin.execute(of, (state,)).fetchone())
        yield primary, standby


@contextmanager
def cluster(settings: str = "", of: Cluster | None = None) -> Iterator[Cluster]:
    """Start a server and throw it away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reseal-pg-"))
    try:
        own = Cluster(folder, settings, of)
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
