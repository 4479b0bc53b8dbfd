"""System calls of a running server that fail for a while, by strace."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def failing(pid: int, calls: str, error: str) -> Iterator[None]:
    """Have system calls of a process and of all its children fail, as long as the block lasts."""
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed: apt-get install strace")
    with tempfile.NamedTemporaryFile(prefix="reseal-strace-") as out:
        pids = [option for each in _family(pid) for option in ("-p", str(each))]
        command = ["strace", "-f", "-q", "-o", out.name, "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
        tracer = subprocess.Popen([*command, *pids], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _until_traced(pid)
            yield
        finally:
            tracer.terminate()
            tracer.communicate(timeout=30)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _until_traced(pid: int) -> None:
    deadline = time.monotonic() + 30
    while "TracerPid:\t0\n" in (status := Path(f"/proc/{pid}/status").read_text()) and "State:\tZ" not in status:
        if time.monotonic() > deadline:
            raise RuntimeError("strace may not trace this process: run this as root, or allow it (kernel.yama)")
        time.sleep(0.02)
