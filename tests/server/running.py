"""The service in a process of its own, on a free loopback port, as an operator starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from tests.support.ports import free_port

T = TypeVar("T")

PATIENCE = 60
"""Seconds for a busy machine."""
SERVE = "from reseal.server.cli import main; raise SystemExit(main(['serve']))"
LOOPS = {"uvloop": "import uvloop\n", "asyncio": "import sys; sys.modules['uvloop'] = None\n"}
"""What to run first so that the service runs on this event loop."""


HTTP = {"RESEAL_HTTP": os.environ.get("SERVICE_HTTP", "strict")}
"""Which code speaks HTTP, for each test that does not choose."""


def launch(code: str, folder: Path, log: Path, variables: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that runs ``code``, with no variables of ours but these, and writes its errors into a file."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    with log.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env=inherited | HTTP | variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


class Resources(NamedTuple):
    """What a process has in use."""

    memory: int
    """Bytes that are resident."""
    files: int
    threads: int


def resources(pid: int) -> Resources:
    status = Path(f"/proc/{pid}/status").read_text()
    memory, threads = (int(re.findall(rf"{name}:\s*(\d+)", status)[0]) for name in ("VmRSS", "Threads"))
    return Resources(memory * 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), threads)


class Running:
    """One process of the service; ``before`` is code that it runs first, ``variables`` is its configuration."""

    def __init__(self, folder: Path, *, before: str = "", name: str = "service", **variables: str) -> None:
        ours = {"RESEAL_PORT": "0", "RESEAL_DATABASE_URI": "memory:", "RESEAL_STATE_DIR": str(folder / "state")}
        self.metrics_port = free_port()
        ours["RESEAL_METRICS_PORT"] = str(self.metrics_port)
        self._log = folder / f"{name}-{time.monotonic_ns()}.log"
        self.child = launch(before + SERVE, folder, self._log, ours | variables)
        assert self.child.stdout is not None
        self._output = self.child.stdout
        self.port = 0

    def wait(self) -> Self:
        """Wait until it answers."""
        line = self._output.readline()
        assert line.startswith("Started Reseal on "), line + self.log()
        self.port = int(line.split()[3].rpartition(":")[2])
        return self

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def workers(self) -> set[int]:
        """Give the pids of its workers."""
        tree = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {int(pid) for pid in tree if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def log(self) -> str:
        return self._log.read_text()

    def lines(self, **members: Any) -> list[dict[str, Any]]:
        """Give the log's lines that have these members; one that is still being written is not there yet."""
        found = (json.loads(line) for line in self.log().rpartition("\n")[0].splitlines())
        return [line for line in found if members.items() <= line.items()]

    def metrics(self) -> str:
        with socket.create_connection(("127.0.0.1", self.metrics_port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def handled(self) -> dict[str, int]:
        """Give how many requests were answered, by operation."""
        counted: dict[str, int] = {}
        for name, count in re.findall(r'reseal_requests_total\{.*operation="(\w+)".*\} (\d+)', self.metrics()):
            counted[name] = counted.get(name, 0) + int(count)
        return counted

    def refused(self, status: int) -> int:
        """Give how often something was refused that was no request."""
        found = re.search(rf'reseal_refused_total\{{.*status="{status}"\}} (\d+)', self.metrics())
        return int(found[1]) if found else 0

    def memory(self) -> int:
        """Give the bytes of memory that it has in use."""
        return resources(self.pid).memory

    def tell(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Wait until it has gone; give the exit code."""
        return self.child.wait(timeout=PATIENCE)

    def kill(self) -> None:
        if self.child.poll() is None:
            self.tell(signal.SIGKILL)
        self.child.wait()
        self._output.close()


@contextmanager
def running(folder: Path, **how: Any) -> Iterator[Running]:
    """Run one process for as long as the block lasts."""
    service = Running(folder, **how)
    try:
        yield service.wait()
    finally:
        service.kill()


def until(condition: Callable[[], T]) -> T:
    """Wait for a condition of another process, within bounds."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found
