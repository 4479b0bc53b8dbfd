"""A session that is held: one of its tokens was stolen, and nobody may refresh it until somebody confirms it.

This is kept where the session keeps its policy, ``!<first><how>!<policy>``: rows with a policy are read at each refresh
anyway, so that no statement of other sessions has to look for it. ``first`` is the generation of the first token that
is valid: those before it were in the hands of two parties when the user confirmed the session.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reseal.core.errors import GeneralError
from reseal.core.model import TheftResponse

MARK: Final = "!"
"""With this begins what a session keeps that is or was held; no name of a policy does, and no value."""
HELD: Final = "held"
"""The reason in the event of a refused refresh."""
_HOW: Final = {TheftResponse.HOLD: "h", TheftResponse.STEP_UP: "s"}
_KEPT: Final = re.compile(r"!(\d*)([hs]?)!((?!!).*)", re.DOTALL)


class SessionHeld(GeneralError):
    """The session is held, because one of its refresh tokens was stolen; nobody was signed out."""

    def __init__(self, reason: str, user_id: str, session_handle: str, subtype: str = "") -> None:
        super().__init__()
        self.reason = reason
        """``step_up``: elevating the session or signing in ends it; ``hold``: signing in, or an administrator."""
        self.user_id = user_id
        self.session_handle = session_handle
        self.subtype = subtype
        """``previous`` or ``older`` where this call has noticed the theft; otherwise empty."""


class Hold(NamedTuple):
    """What a session keeps of having been stolen."""

    policy: str | None = None
    """What it keeps of its policy."""
    response: TheftResponse | None = None
    """How it is held; ``None``: it is not, or no longer."""
    first: int = 0
    """The generation of its first valid token."""

    def concerns(self, generation: int) -> bool:
        """Return whether it is held, or a token of this generation is from before it was confirmed."""
        return self.response is not None or generation < self.first

    def kept(self) -> str | None:
        """Return what the session keeps."""
        if self.response is None and not self.first:
            return self.policy
        how = "" if self.response is None else _HOW[self.response]
        return f"{MARK}{self.first or ''}{how}{MARK}{self.policy or ''}"


def read(kept: str | None) -> Hold:
    """Read what a session keeps. One that is held in a way of a later version is held here too, and stays so."""
    if kept is None or not kept.startswith(MARK):
        return Hold(kept)
    found = _KEPT.fullmatch(kept)
    if found is None:
        return Hold(kept, TheftResponse.HOLD)
    first, how, policy = found.groups()
    response = next((each for each, letter in _HOW.items() if letter == how), None)
    return Hold(policy or None, response, int(first or 0))
