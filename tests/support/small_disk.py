"""A file system of a few megabytes in memory, to be filled and freed, for a program that is started for it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = bytes(4096)


class SmallDisk:
    """The file system at ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Write until there is no room left."""
        with self._ballast.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(_BLOCK)
                except OSError:
                    return

    def free(self) -> None:
        """Give back what :meth:`fill` took."""
        self._ballast.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Mount one, in a program that was started by :func:`~tests.support.name_spaces.run_alone`."""
    with tempfile.TemporaryDirectory(prefix="reseal-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "reseal", folder]
        subprocess.run(mount, check=True, capture_output=True)
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)
