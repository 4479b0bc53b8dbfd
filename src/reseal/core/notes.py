"""A note: a small text that several processes change in turn."""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """A text, and how often it was written."""

    version: int
    text: str
