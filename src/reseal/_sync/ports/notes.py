# Generated from src/reseal/_async/ports/notes.py by tools/unasync.py; edit that file instead.
"""What a store promises about notes. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.notes import Note


class NoteStore(Protocol):
    """Where those that deliver events keep how far they have come: one small text for each, by name.

    Names are printable ASCII; texts have no NUL character and no lone surrogate.
    """

    def read_note(self, name: str) -> Note | None:
        """Read a note; ``None`` if it was never written."""

    def write_note(self, name: str, version: int, text: str) -> bool:
        """Write a note if its ``version`` is still the one that was read, or 0 if there was none; then count it up.

        ``False`` if somebody else has written since: nothing was changed. Of any number of callers with the same
        version exactly one writes.
        """
