"""Apply single faults to a copy of the source, and show that a test detects each.

python tools/mutations.py [--only WORD] [--list]

The faults are in ``tests/mutations/*.toml``: a file, a text that occurs in it once, what takes its place, and the tests
that have to find it. The tests pass first without any fault, so that none of them fails at everything. Exit status 1
if a fault survives, 2 if the list does not fit the source.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "mutations"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header"]
BROWSER = "browser"
"""In place of test files: the unit tests of the browser SDK."""
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Mutation:
    """One fault: in ``file``, ``new`` in place of ``old``."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def problem(self) -> str | None:
        """Return why it cannot be applied, or ``None``."""
        path = ROOT / self.file
        found = path.read_text().count(self.old) if path.is_file() else 0
        if found != 1:
            return f"{self.name}: {self.file} has the text {found} times: {self.old!r}"
        missing = [test for test in self.tests if test != BROWSER and not (ROOT / test.partition("::")[0]).exists()]
        return f"{self.name}: there is no {missing[0]}" if missing else None


def mutations(only: str) -> list[Mutation]:
    found = []
    for path in sorted(LISTS.glob("*.toml")):
        for name, entry in tomllib.loads(path.read_text()).items():
            tests = (entry["tests"],) if isinstance(entry["tests"], str) else tuple(entry["tests"])
            found.append(Mutation(f"{path.stem}: {name}", entry["file"], entry["old"], entry["new"], tests))
    return [each for each in found if only in f"{each.name} {each.file}"]


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the checkout that a fault may be built into."""
    with tempfile.TemporaryDirectory(prefix="reseal-mutations-") as folder:
        copy = Path(folder) / "reseal"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        for modules in ("browser", "examples/pages"):
            if (ROOT / modules / "node_modules").is_dir():
                (copy / modules / "node_modules").symlink_to(ROOT / modules / "node_modules")
        yield copy


def passes(copy: Path, tests: tuple[str, ...]) -> bool:
    if tests == (BROWSER,):
        command, folder = ["npm", "test", "--silent"], copy / "browser"
    else:
        command, folder = [*PYTEST, *tests], copy
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0


def survives(copy: Path, mutation: Mutation) -> bool:
    path = copy / mutation.file
    genuine = path.read_text()
    path.write_text(genuine.replace(mutation.old, mutation.new))
    try:
        return passes(copy, mutation.tests)
    finally:
        path.write_text(genuine)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORD", help="only faults whose name or file has this word")
    parser.add_argument("--list", action="store_true", help="check that the list fits the source, and run nothing")
    options = parser.parse_args()
    chosen = mutations(options.only)
    problems = [problem for each in chosen if (problem := each.problem())]
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems or not chosen:
        return 2
    if options.list:
        print(*(each.name for each in chosen), sep="\n")
        return 0
    with copied() as copy:
        broken = [tests for tests in dict.fromkeys(each.tests for each in chosen) if not passes(copy, tests)]
        if broken:
            print("without any fault these tests fail:", *broken, sep="\n  ")
            return 2
        survivors = 0
        for number, mutation in enumerate(chosen, 1):
            alive = survives(copy, mutation)
            survivors += alive
            print(f"{number}/{len(chosen)} {'SURVIVES' if alive else 'found'}: {mutation.name}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} faults were found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
