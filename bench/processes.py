"""Servers that a benchmark starts: their processor time, memory and cores. Linux: all of it comes from ``/proc``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 60


class Place(NamedTuple):
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    began: float

    @property
    def pid(self) -> int:
        return self.process.pid


class Cores(NamedTuple):
    """Which cores the load generator with the database may use, and which the service."""

    load: frozenset[int]
    service: frozenset[int]

    def __str__(self) -> str:
        if self.load & self.service:
            return f"nothing is pinned: client, database and service share the cores {_listed(self.load)}"
        return (
            f"client and database are pinned to core {_listed(self.load)}, the service to core {_listed(self.service)}"
        )


def split_cores(workers: int) -> Cores:
    """Give each worker a core of its own, and the others to the load; all share all if there are too few."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) <= workers:
        return Cores(frozenset(available), frozenset(available))
    return Cores(frozenset(available[:-workers]), frozenset(available[-workers:]))


@contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """Keep this thread, and the processes and threads that it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(arguments: Sequence[str], environ: Mapping[str, str], cores: Iterable[int]) -> Iterator[Place]:
    """Start a server that says ``… <host>:<port> with PID: …`` once it answers; stop it by its pid."""
    began = time.perf_counter()
    with pinned(cores):
        process = subprocess.Popen(
            [sys.executable, *arguments], env=dict(environ), cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout else ""
        if " with PID: " not in line:
            raise RuntimeError(f"did not start: {' '.join(arguments[:3])}")
        yield Place(process, int(line.partition(" with PID: ")[0].rpartition(":")[2]), began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu(pid: int) -> float:
    """Return the seconds of processor time of a process and its children, all threads."""
    own = sum(map(_task_seconds, Path(f"/proc/{pid}/task").glob("*/schedstat")))
    return own + sum(map(cpu, _children(pid)))


def resident(pid: int) -> float:
    """Return the resident megabytes of a process and its children."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    own = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
    return own + sum(map(resident, _children(pid)))


def _task_seconds(schedstat: Path) -> float:
    try:
        return int(schedstat.read_text("ascii").split()[0]) / 1e9
    except OSError:  # a thread that has just ended
        return 0


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:  # a process that has just ended
        return []


def _listed(cores: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
