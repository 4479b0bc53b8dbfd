"""Applications in processes of their own, and loopback ports that nobody else takes meanwhile."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
HOST = "127.0.0.1"
PATIENCE = 60
"""Seconds after which something that should have happened long ago has failed."""


class Port:
    """A port that is ours, whether somebody listens there or connections are refused."""

    def __init__(self) -> None:
        self._held = _bound(0)
        self.number: int = self._held.getsockname()[1]

    def socket(self) -> socket.socket:
        """Give a socket to listen with."""
        return _bound(self.number)

    def listens(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex((HOST, self.number)) == 0

    def close(self) -> None:
        self._held.close()


class Process:
    """A process that listens on ``port`` and ends when its standard input does, so that it cannot outlive the tests."""

    def __init__(self, command: Sequence[str], port: Port, folder: Path, env: Mapping[str, str]) -> None:
        """Start it. Raises ``RuntimeError`` with what it printed if nobody ever listens on the port."""
        self._log = folder / "app.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **env},
            )
        if not within(PATIENCE, lambda: port.listens() or self._process.poll() is not None, bool) or not port.listens():
            self.stop()
            raise RuntimeError(f"{command} does not listen\n{self.output()}")

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            assert self._process.stdin is not None
            self._process.stdin.close()


def within(seconds: float, ask: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Ask until the answer is enough; give the last answer in any case."""
    until = time.monotonic() + seconds
    while not enough(answer := ask()) and time.monotonic() < until:
        time.sleep(0.02)
    return answer


def _bound(number: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, number))
    return bound
