"""A short round of fuzzing for each target; a long one is ``python -m tests.fuzz TARGET -max_total_time=600``."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS = {"connection": 1_500, "against-h11": 3_000, "configuration": 400}
OTHERS = 10_000
TARGETS = (
    "connection",
    "against-h11",
    "body",
    "access-token",
    "wire-token",
    "refresh-token",
    "ticket",
    "cookies",
    "bearer",
)


@pytest.mark.parametrize("target", [*TARGETS, "configuration"])
def test_nothing_that_strangers_send_breaks_a_promise(target, tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", target, f"-runs={RUNS.get(target, OTHERS)}", "-seed=1"]
    prefix = f"-artifact_prefix={tmp_path}/"
    done = subprocess.run(
        [*command, prefix], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "Done" in done.stderr
