"""Fuzzing guided by coverage (atheris, libFuzzer) of what reads bytes that strangers send.

python -m tests.fuzz TARGET [options of libFuzzer, as -runs=100000 or -max_total_time=600] [corpus folder …]

A finding ends the run with a traceback and exit status 77, and libFuzzer writes the input to a file ``crash-…``; give
that file as an argument to see it again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["reseal", "httptools", "yaml"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"{__doc__}\nTargets: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory(prefix="reseal-fuzz-") as folder:
        for number, seed in enumerate(target.seeds()):
            Path(folder, f"seed-{number}").write_bytes(seed)
        atheris.Setup([*sys.argv, folder], target.check)
        atheris.Fuzz()


main()
