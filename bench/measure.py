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
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
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
    for name in turns(variants, rounds + 1):
        seconds[name].append(await _timed(variants[name], clock))
    return {name: each[1:] for name, each in seconds.items()}


def turns(names: Iterable[str], rounds: int) -> Iterator[str]:
    """Name who is next: A B C, B C A, …"""
    order = list(names)
    gc.collect()
    for _ in range(rounds):
        yield from order
        order.append(order.pop(0))


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


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median with the quartiles below and above it."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:9.1f} µs"


def print_machine() -> None:
    print(f"{machine()}\n")


def machine() -> str:
    """Describe the machine and what runs on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {cores} cores · {python} · SQLite {sqlite3.sqlite_version} · {platform.system()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
