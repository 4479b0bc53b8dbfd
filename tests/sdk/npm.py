"""Published packages, each version installed once into a folder outside the checkout and kept between runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("RESEAL_TEST_CACHE", "~/.cache/reseal-tests")).expanduser()
NPM_TIMEOUT = 300
"""Seconds that an installation may take."""


def npm_folder(package: str, version: str) -> Path:
    """Give a folder in which ``package`` of exactly this version, and Express 4, can be required."""
    folder = CACHE / "npm" / f"{package}@{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _npm_install(folder, f"{package}@{version}", "express@4")
    return folder


def _npm_install(folder: Path, *packages: str) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "package.json").write_text('{"private": true}\n')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", *packages]
    done = subprocess.run(command, cwd=partial, capture_output=True, text=True, timeout=NPM_TIMEOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    partial.rename(folder)
