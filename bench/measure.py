"""Shared by the benchmarks: variants take turns in one run, and a claim is the median of the ratios per round.

A machine that is slow for a second is slow for every variant of that round, so a ratio survives what an absolute
figure does not.
"""

from __future__ import annotations

import gc
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

Variant = Callable[[], Awaitable[int]]
"""Does its work once and returns the number of operations."""


async def take_turns(
    variants: Mapping[str, Variant], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Run the variants A B C, B C A, …; return the seconds per operation of each, round by round.

    The first round warms up and is not counted. Where nothing waits, ``time.thread_time`` leaves out what other
    processes took in the meantime.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    order = list(variants)
    gc.collect()
    for _ in range(rounds + 1):
        for name in order:
            seconds[name].append(await _timed(variants[name], clock))
        order.append(order.pop(0))
    return {name: each[1:] for name, each in seconds.items()}


async def _timed(variant: Variant, clock: Callable[[], float]) -> float:
    began = clock()
    operations = await variant()
    return (clock() - began) / operations


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median over the rounds of ours / theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def difference(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median over the rounds of ours - theirs."""
    return statistics.median(a - b for a, b in zip(ours, theirs, strict=True))


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:9.1f} µs"


def print_machine() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{_processor()}, {cores} cores · {python} · SQLite {sqlite3.sqlite_version} · {platform.system()}\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
