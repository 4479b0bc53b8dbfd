"""A change that makes a call heavier has to say so: by the counts that it records."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench import counts

ROOT = Path(__file__).resolve().parents[2]


def test_no_call_is_heavier_or_lighter_than_is_recorded():
    done = subprocess.run(
        [sys.executable, "-m", "bench.counts", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_heavier_and_a_lighter_call_are_named_with_the_command_that_records_them():
    recorded = {"python": counts.PYTHON, "calls": {"refresh": {"python": 100.0, "store": 1.0, "bytes": 900.0}}}
    heavier = counts.differences({"refresh": {"python": 104.0, "store": 2.0, "bytes": 890.0}}, recorded)
    again = "; if that is meant, run python -m bench.counts --record"
    assert heavier == [f"refresh: python +4.0 (+4.0 %){again}", f"refresh: store +1.0 (+100.0 %){again}"]
    lighter = counts.differences({"refresh": {"python": 96.0, "store": 1.0, "bytes": 900.0}}, recorded)
    assert lighter == [f"refresh: python -4.0 (-4.0 %){again}"]


def test_a_call_that_is_not_recorded_is_named():
    recorded = {"python": counts.PYTHON, "calls": {}}
    assert counts.differences({"refresh": {"python": 4.0}}, recorded) == [
        "refresh: python 4.0, new; if that is meant, run python -m bench.counts --record"
    ]


def test_what_is_no_longer_counted_is_named():
    recorded = {"python": counts.PYTHON, "calls": {"refresh": {"store": 1.0}, "verify": {"store": 1.0}}}
    named = [each.partition(";")[0] for each in counts.differences({"refresh": {}}, recorded)]
    assert named == ["refresh: store -1.0 (-100.0 %)", "verify: store -1.0 (-100.0 %)"]


def test_functions_are_compared_on_one_interpreter_and_the_rest_on_each():
    recorded = {"python": "2.7", "calls": {"refresh": {"python": 100.0, "c": 100.0, "store": 1.0}}}
    counted = {"refresh": {"python": 1.0, "c": 1.0, "store": 2.0}}
    assert [problem.partition(" +")[0] for problem in counts.differences(counted, recorded)] == ["refresh: store"]
