"""Run the tests of each framework with the oldest version that its extra admits.

python tools/oldest_frameworks.py [framework] [options of pytest]

Everything else is as in this environment: the oldest version, with what it needs itself, lies in a temporary folder in
front of it. Its own warnings about a Python that is newer than it are no errors. Exit status 1 if any test failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = {
    "django": ("tests/django", "tests/scenarios", "-k", "django"),
    "flask": ("tests/flask", "tests/scenarios", "-k", "flask"),
    "litestar": ("tests/litestar", "tests/scenarios", "-k", "litestar"),
    "fastapi": ("tests/frameworks",),
}
IGNORED: Final = ("DeprecationWarning", "ResourceWarning", "pytest.PytestUnraisableExceptionWarning")


def oldest(framework: str) -> str:
    """Return the oldest version that the extra of a framework admits."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    found = re.fullmatch(rf"{framework}>=([\d.]+)(,.*)?", extras[framework][0])
    assert found, f"the extra {framework} of pyproject.toml does not begin with its oldest version"
    return found[1]


def passes(framework: str, options: list[str]) -> bool:
    with TemporaryDirectory(prefix=f"reseal-{framework}-") as folder:
        wanted = f"{framework}=={oldest(framework)}"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, wanted], check=True)
        print(f"\n== {wanted}", flush=True)
        paths = [folder, str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        warnings = [part for name in IGNORED for part in ("-W", f"ignore::{name}")]
        command = [sys.executable, "-m", "pytest", "-q", *TESTS[framework], *warnings, *options]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    chosen = [name for name in TESTS if name in sys.argv[1:2]]
    options = sys.argv[2:] if chosen else sys.argv[1:]
    failed = [name for name in chosen or TESTS if not passes(name, options)]
    print(f"failed: {', '.join(failed)}" if failed else "passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
