"""The result of creating or refreshing a session."""

from __future__ import annotations

from typing import Any

import msgspec

from reseal.core.access_token import Claims


class TokenPair(msgspec.Struct, frozen=True, gc=False):
    """The credentials of one generation. Its ``repr`` shows none of them."""

    claims: Claims
    access_token: str
    refresh_token: str | None
    """``None`` if only the access token was reissued (a changed payload)."""
    anti_csrf: str | None
    session_expires_at: int
    """Milliseconds since the epoch, by the clock of this process; the cookies expire then."""
    persistent: bool = True
    """Whether the browser keeps the cookies when it is closed."""
    challenge: str | None = None
    """What a device signs to bind the session, or to refresh it once it is bound; ``None``: it is not bound."""

    def __repr__(self) -> str:
        return f"TokenPair({self.claims!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("claims", self.claims)]
