"""A project that has installed the browser SDK as its archive, and the packages of the lock file beside it."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.archives import unpack
from tests.support.packages import PATIENCE, cache, npm_packages, run

HERE = Path(__file__).parent
SDK = HERE.parents[2] / "browser"
ESBUILD = SDK / "node_modules" / ".bin" / "esbuild"


@dataclass(frozen=True)
class Project:
    folder: Path
    packages: Path
    """The ``node_modules`` of the lock file."""

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def run(self, *command: str | Path) -> None:
        run(command, self.folder, {**os.environ, "NODE_PATH": str(self.packages)})

    def node(self, file: str | Path) -> str:
        """Run a file in a process of its own, which must end by itself; gives what it printed."""
        done = subprocess.run(
            ["node", file], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def bundle(self, entries: Mapping[str, str | Path], output: Path, *options: str) -> None:
        """Build scripts for a page with esbuild."""
        named = [f"{name}={source}" for name, source in entries.items()]
        self.run(ESBUILD, *named, "--bundle", "--format=esm", "--log-level=error", f"--outdir={output}", *options)


def new_project(folder: Path) -> Project:
    """Install what ``npm pack`` makes of the SDK into a new project."""
    packages = npm_packages("libraries", HERE) / "node_modules"
    modules = folder / "node_modules"
    modules.mkdir()
    unpack(packed(folder), folder)
    (folder / "package").rename(modules / "reseal-browser")
    return Project(folder, packages)


def packed(folder: Path) -> Path:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "pack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Packing builds, and another worker may be about it.
        command: Sequence[str | Path] = ["npm", "pack", "--silent", "--pack-destination", folder]
        run(command, SDK)
    (archive,) = folder.glob("*.tgz")
    return archive
