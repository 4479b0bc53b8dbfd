"""The published frontend SDKs that are tried, and what each can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Frontend:
    """A version of ``supertokens-website``, as a page configures it."""

    version: str
    mode: str = "cookie"
    """Where its tokens travel: ``cookie`` or ``header``."""
    older: bool = True
    """Whether it learns from the ``id-refresh-token`` header that there is a session; later ones from ``front-token``."""
    payload: str | None = "getAccessTokenPayloadSecurely"
    """Its call for the payload of the access token."""
    events: bool = True
    """Whether it reports events."""
    asks_first: bool = True
    """Whether it refreshes once, before the first call of a page that does not know whether there is a session."""
    anti_csrf_on_refresh: bool = True
    claims: bool = True
    """Whether it reports that a claim was missing."""
    intercepts_xhr: bool = True

    @property
    def marker(self) -> str:
        """The cookie that changes with each refresh, by which its tabs notice each other."""
        return "sIRTFrontend" if self.older else "st-last-access-token-update"

    def __str__(self) -> str:
        return f"{self.version}-{self.mode}"


_FETCH_ONLY: dict[str, Any] = {"claims": False, "intercepts_xhr": False}
_FIRST: dict[str, Any] = {"events": False, "asks_first": False, **_FETCH_ONLY}

OLDER = (
    Frontend("4.2.0", payload=None, anti_csrf_on_refresh=False, **_FIRST),
    Frontend("5.1.1", payload="getJWTPayloadSecurely", **_FIRST),
    Frontend("9.0.4", payload="getJWTPayloadSecurely", **_FETCH_ONLY),
    Frontend("12.2.0", **_FETCH_ONLY),
    Frontend("15.0.0"),
)
LATER = tuple(Frontend(version, older=False) for version in ("16.0.10", "17.0.5", "18.0.2", "19.0.1", "20.1.6"))
IN_HEADERS = tuple(replace(frontend, mode="header") for frontend in LATER)
IN_COOKIES = (*OLDER, *LATER)
FRONTENDS = (*IN_COOKIES, *IN_HEADERS)
VERSIONS = tuple(frontend.version for frontend in IN_COOKIES)
