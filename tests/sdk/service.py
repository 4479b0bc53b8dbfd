"""Runs the core service, and the apps that use it, as processes of their own on free loopback ports.

Nothing here knows an SDK: the suites of all languages share it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 60
"""Seconds for a process to listen; a busy machine may need many."""
ROOT = Path(__file__).parents[2]


class Running:
    """A process that listens on a loopback port. Everything that it prints goes to ``log``."""

    def __init__(
        self, command: list[str], port: int, log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def wait(self) -> None:
        """Wait until the port answers. Raises ``RuntimeError`` with the log if it never does."""
        try:
            wait_until(self._answers, f"port {self.port}")
        except (ChildProcessError, TimeoutError) as error:
            self.stop()
            raise RuntimeError(f"{error}\n{self.output()}") from error

    def stop(self) -> None:
        """End the process, this one only, and wait for its end."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise ChildProcessError(f"ended with code {self._process.returncode}")
        return listens(self.port)


class CoreService:
    """The core service over an SQLite file, which outlives stopping and starting again.

    ``settings`` are those of ``ServiceSettings``, values that JSON knows.
    """

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._directory = directory
        self._settings = settings
        self._running: Running | None = None

    @property
    def database(self) -> Path:
        return self._directory / "sessions.db"

    def start(self, **settings: Any) -> CoreService:
        """Start with the settings given at first, and these."""
        order = {"port": self.port, "database": str(self.database), "settings": {**self._settings, **settings}}
        self._running = Running(
            [sys.executable, str(Path(__file__).with_name("serve.py")), json.dumps(order)],
            self.port,
            self._directory / "service.log",
            env={"PYTHONPATH": str(ROOT / "src")},
        )
        self._running.wait()
        return self

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def output(self) -> str:
        return (self._directory / "service.log").read_text(errors="replace")


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition. Raises ``TimeoutError``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing within {seconds} s")
        time.sleep(0.05)
