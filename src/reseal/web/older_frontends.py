"""Support for frontends of the interface's versions 1.0 to 1.15 (FDI, sections 2.2, 3.2 and 6).

One more response header, ``id-refresh-token``, informs them that there is a session, until when, and that it was
refreshed; they keep its text in a cookie of the page. For the end of a session they need it in the place of
``front-token: remove``, which they would take for a session's data, and fail on.

Later frontends say in every request how their tokens travel (``st-auth-mode``). These do not, and are known by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reseal.core.tokens import TokenPair
    from reseal.web.facts import RequestFacts

ID_REFRESH_TOKEN: Final = "id-refresh-token"
_AUTH_MODE: Final = "st-auth-mode"


def may_have_sent(facts: RequestFacts) -> bool:
    """Return whether a request may come from such a frontend; non-frontend clients look the same."""
    return facts.header(_AUTH_MODE) is None


def id_refresh_token(tokens: TokenPair) -> str:
    """Return a text that changes with each refresh, and the expiry of the session in ms since the epoch.

    It is the handle and the generation, which the page may know, and is never read back.
    """
    return f"{tokens.claims.sid}.{tokens.claims.gen};{tokens.session_expires_at}"
