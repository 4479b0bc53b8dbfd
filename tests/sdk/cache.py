"""The folder that keeps published packages between runs.

``RESEAL_TEST_CACHE`` names it; if it is not set, ``~/.cache/reseal-tests``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE = 900
"""Seconds for one installation."""


def kept(name: str, wanted: str, install: Callable[[Path], None]) -> Path:
    """Give the folder ``name``, installed before if it is not there or something else was ``wanted`` then.

    What an installation leaves that fails half-way is never taken for the whole: the note of what is installed is
    written last.
    """
    home = Path(os.environ.get("RESEAL_TEST_CACHE") or Path.home() / ".cache" / "reseal-tests") / name
    home.parent.mkdir(parents=True, exist_ok=True)
    note = home / "installed.txt"
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing the same
        if not note.exists() or note.read_text("utf-8") != wanted:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            install(home)
            note.write_text(wanted, "utf-8")
    return home


def run(command: Sequence[str | Path], folder: Path) -> None:
    """Run one step of an installation. Raises ``RuntimeError`` with what it printed if it fails."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}\n{done.stdout}")
