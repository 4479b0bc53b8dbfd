"""Clocks of single processes that are set while these run, by libfaketime; steady clocks stay right."""

from __future__ import annotations

from pathlib import Path

import pytest


class WrongClock:
    """The clock of the processes that are started with ``variables``."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not found:
            pytest.fail("libfaketime is not installed: apt-get install libfaketime")
        self._file = folder / "clock"
        self.variables = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.is_ahead_by(0)

    def is_ahead_by(self, seconds: int) -> None:
        """Let it be wrong from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
