"""Published Python packages, each in a throw-away virtual environment of its own, kept between runs.

``RESEAL_TEST_CACHE`` names the directory that keeps them; if it is not set, ``~/.cache/reseal-tests``. An environment
is made anew when its list of requirements changes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = "3.11"
"""The one version on which all of them run."""
PATIENCE = 900
"""Seconds for one installation."""


def environment(name: str, requirements: tuple[str, ...], overrides: tuple[str, ...] = ()) -> Path:
    """Give the interpreter of an environment that holds ``requirements``; made first if it is not there.

    ``overrides`` are installed in the end, whatever the others say that they need.
    """
    home = cache() / "pypi" / name
    home.parent.mkdir(parents=True, exist_ok=True)
    python, stamp, wanted = home / "bin" / "python", home / "installed.txt", "\n".join((*requirements, *overrides))
    with home.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be making the same one
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(home, ignore_errors=True)
            _run([_interpreter(), "-m", "venv", str(home)])
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
            _run([*pip, "--only-binary", ":all:", *requirements])
            if overrides:
                _run([*pip, "--only-binary", ":all:", "--no-deps", *overrides])
            stamp.write_text(wanted)
    return python


def cache() -> Path:
    return Path(os.environ.get("RESEAL_TEST_CACHE") or Path.home() / ".cache" / "reseal-tests")


def _interpreter() -> str:
    if ".".join(map(str, sys.version_info[:2])) == PYTHON:
        return sys.executable
    found = shutil.which(f"python{PYTHON}")
    if found is None:
        raise FileNotFoundError(f"These packages need Python {PYTHON}, which is not on the path.")
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
