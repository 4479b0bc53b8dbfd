"""Published packages for tests: installed as their lock files say, once, outside the checkout, and not changed.

``TEST_PACKAGE_CACHE`` names the folder that keeps them between runs; if it is not set, ``~/.cache/reseal-tests``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

PATIENCE = 300
"""Seconds for one step."""
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
LINES_TOLD = 10
"""How much is told of what a step printed that failed: the end of it."""
_faults: dict[Path, str] = {}
"""What could not be installed, and why."""


def npm_packages(name: str, folder: Path) -> Path:
    """Give a folder with the ``node_modules`` of the lock file in ``folder``."""

    def install(home: Path) -> None:
        for file in NPM_FILES:
            shutil.copy(folder / file, home)
        npm = _program("npm", "Node.js and npm")
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], home)

    return kept(f"npm/{name}", [folder / file for file in NPM_FILES], install)


def python_packages(name: str, version: str, locks: Sequence[Path]) -> Path:
    """Give a virtual environment for a version of Python with the packages of the lock files, the later ones on top."""

    def install(home: Path) -> None:
        python = sys.executable
        if ".".join(map(str, sys.version_info[:2])) != version:
            python = _program(f"python{version}", f"Python {version}")
        run([python, "-m", "venv", "--without-pip", home], home)
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            home / "bin" / "python",
            "install",
            "-qq",
            "--no-input",
        ]
        exactly = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
        for lock in locks:
            run([*pip, *exactly, "--requirement", lock], home)

    return kept(f"pypi/{name}", locks, install)


def kept(name: str, locks: Iterable[Path], install: Callable[[Path], None]) -> Path:
    """Give the folder of what the lock files say, installed if it is not there.

    Half an installation is never taken for the whole: it gets its name when it is complete. If it cannot be completed,
    the test fails, and all that need it after that one, without trying again.
    """
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    home = cache() / f"{name}-{digest[:16]}"
    if home not in _faults:
        home.parent.mkdir(parents=True, exist_ok=True)
        with home.with_name(f"{home.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing the same
            if not home.exists():
                _try(name, home, install)
    if home in _faults:
        pytest.fail(_faults[home], pytrace=False)
    return home


def run(command: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    """Run one step in a folder. Raises ``RuntimeError`` with what it printed last if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-LINES_TOLD:])
        raise RuntimeError(f"{' '.join(map(str, command))}\n{last}")


def cache() -> Path:
    return Path(os.environ.get("TEST_PACKAGE_CACHE") or "~/.cache/reseal-tests").expanduser()


def _try(name: str, home: Path, install: Callable[[Path], None]) -> None:
    partial = home.with_name(f"{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        install(partial)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        _faults[home] = (
            f"{name} could not be installed, which these tests need. Make sure that the package registry can be "
            f"reached, and run them again; what is installed is kept in {cache()}.\n{error}"
        )
    else:
        partial.rename(home)


def _program(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"There is no {name} on the path. Please install {what}.")
    return found
