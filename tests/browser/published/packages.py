"""The published packages as scripts for a page: installed as locked, once, outside the checkout, and not changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
ESBUILD = HERE.parents[2] / "browser" / "node_modules" / ".bin" / "esbuild"
CACHE = Path(os.environ.get("RESEAL_TEST_CACHE", "~/.cache/reseal-tests")).expanduser()
TIMEOUT = 300
"""Seconds that an installation may take."""
_OPTIONS = ("--bundle", "--format=iife", "--log-level=warning", '--define:process={"env":{}}')
"""The first versions read ``process.env``, which the bundlers of their time provided."""


def installed() -> Path:
    """Install every version that ``package-lock.json`` names; gives the folder with ``node_modules``."""
    locked = [HERE / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in locked)).hexdigest()
    folder = CACHE / "npm" / f"supertokens-website-{digest[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(folder, locked)
    return folder


def bundled(versions: Iterable[str], output: Path) -> Path:
    """Write ``<version>.js`` for each version into a folder: a classic script that sets ``window.SuperTokens``."""
    for version in versions:
        entry = f'const sdk = require("website-{version}"); window.SuperTokens = sdk.default;\n'
        (output / f"{version}.entry.js").write_text(entry)
    entries = [f"{version}={version}.entry.js" for version in versions]
    where = {**os.environ, "NODE_PATH": str(installed() / "node_modules")}
    _run([str(ESBUILD), *entries, *_OPTIONS, "--outdir=."], output, where)
    return output


def _install(folder: Path, locked: Iterable[Path]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in locked:
        shutil.copy(file, partial)
    _run(["npm", "ci", "--no-audit", "--ignore-scripts"], partial, os.environ)
    partial.rename(folder)


def _run(command: list[str], cwd: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
