"""The benchmark of the service runs, beside another state too, and says where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import service
from bench.processes import cpu, split_cores

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--rounds", "2", "--requests", "4", "--connections", "2")


def run(*options):
    command = [sys.executable, "-m", "bench.service", *SHORT, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_call_is_measured_beside_the_state_before():
    done = run("--before", str(ROOT), "--algorithm", "ES256")
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("\n\n")
    measured, compared = (next(each for each in tables if each.startswith(head)) for head in ("| SQLite", "| own"))
    for call in service.MEASURED:
        assert f"\n| {call} |" in measured
        assert f"\n| {call} |" in compared
    assert "core" in tables[1]


def test_a_state_before_without_the_package_is_refused(tmp_path):
    done = run("--before", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"--before: {tmp_path} has no package reseal: it is neither a checkout nor a --target of pip"
    )


@pytest.mark.parametrize(
    ("available", "workers", "load", "service_cores"),
    [({0}, 1, {0}, {0}), ({0, 1}, 1, {0}, {1}), ({0, 1}, 2, {0, 1}, {0, 1}), ({2, 3, 4, 5}, 2, {2, 3}, {4, 5})],
)
def test_each_worker_has_a_core_of_its_own_if_one_is_left_for_the_load(
    monkeypatch, available, workers, load, service_cores
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: available)
    assert split_cores(workers) == (load, service_cores)


def test_processor_time_is_that_of_the_children_too():
    burn = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn + 'print(1, flush=True); input()'!r}]).wait()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "1\n"
    assert cpu(process.pid) >= 0.2
    process.communicate("\n")
