"""A Redis of the tests' own, started when the first test asks for it, with the durability that the store demands.

``REDIS_SERVER=valkey-server`` has them start a Valkey instead; so does a machine on which there is no Redis.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.support.ports import free_port

DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
PASSWORD = "canary-7f2c:p@ss/word"
BUS = 10_000
"""So far above its own port a node of a cluster has that for other nodes."""
SERVER = os.environ.get("REDIS_SERVER") or next(filter(shutil.which, ("redis-server", "valkey-server")), "redis-server")
CLIENT = SERVER.replace("-server", "-cli")
HOST = "127.0.0.1"
_NUMBERS = count()


class RedisServer:
    """One server. ``kill``, ``freeze`` and ``start`` are the faults that it offers."""

    def __init__(self, folder: Path, options: tuple[str, ...] = DURABLE, host: str = HOST) -> None:
        self.folder = folder
        self.host = host
        self.options = options
        self.tls_port = 0
        self.before: tuple[str, ...] = ()
        """The name of a file of settings, if there is one."""
        self.port = free_port(BUS if "--cluster-enabled" in options else 0)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        elsewhere = () if self.host == HOST else ("--bind-source-addr", self.host, "--protected-mode", "no")
        command = [SERVER, *self.before, "--port", str(self.port), "--bind", self.host, *elsewhere, "--dir",
                   str(self.folder), "--logfile", "log", *self.options]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until_answers(self.port, self.host)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def keys(self, pattern: str) -> int:
        """Count keys."""
        return int(self.ask("EVAL", "return #redis.call('KEYS', ARGV[1])", "0", pattern).strip()[1:])

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def ask(self, *words: str) -> bytes:
        """Send a command, and return what comes back."""
        return ask(self.port, *words, host=self.host)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def uri(self, more: str = "") -> str:
        """Return the address of an empty store in it."""
        return f"redis://{self.place}/0?prefix=test-{os.getpid()}-{next(_NUMBERS)}{more}"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server that tests share; who stops it uses ``own_redis``."""
    with server() as own:
        yield own


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for one test, to be stopped and broken."""
    with server() as own:
        yield own


@pytest.fixture
def redis_uri(redis_server: RedisServer) -> str:
    """An empty store of the shared server."""
    return redis_server.uri()


@contextmanager
def server(options: tuple[str, ...] = DURABLE, *, has_tls: bool = False) -> Iterator[RedisServer]:
    """Start a server and throw it away afterwards."""
    if shutil.which(SERVER) is None:
        pytest.fail("Redis is not installed: apt-get install redis-server")
    folder = Path(tempfile.mkdtemp(prefix="reseal-redis-"))
    own = RedisServer(folder, options)
    if has_tls:
        own.tls_port = free_port()
        own.options += ("--tls-port", str(own.tls_port))
    try:
        own.start()
        yield own
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)


def ask(port: int, *words: str, host: str = HOST) -> bytes:
    """Send one command to a server on this machine, and return what comes back, up to some kilobytes."""
    with socket.create_connection((host, port), timeout=5) as link:
        link.sendall(
            b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words)
        )
        return link.recv(65536)


def until_answers(port: int, host: str = HOST, seconds: float = 10) -> None:
    """Wait until a server has read its files."""
    end = time.monotonic() + seconds
    while True:
        try:
            if ask(port, "PING", host=host) == b"+PONG\r\n":
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise RuntimeError(f"the Redis on port {port} did not start")
        time.sleep(0.02)
