"""Exit codes of commands, and the error that ends one."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
REFUSED: Final = 1
CONFIGURATION: Final = 3
UNAVAILABLE: Final = 4


class CommandFailed(Exception):
    """The command cannot be carried out; the text states the reason."""
