"""Where an application has what the test kit needs: its sign-in, its refresh, and a page that demands a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, TypeAlias

from reseal.settings import Settings

Call: TypeAlias = tuple[str, str] | tuple[str, str, Mapping[str, Any]]
"""Method, path, and what else the request has, in the words of httpx: ``("POST", "/login", {"json": {…}})``."""

OUR_MESSAGE: Final = "try refresh token"
"""The message of our answers that ask for a refresh."""


@dataclass(frozen=True)
class BodyTokens:
    """Tokens that a program gets in JSON bodies, in place of cookies.

    ``access`` and ``refresh`` are the members of the answers to the sign-in and the refresh. The access token is sent
    as ``Authorization: Bearer``, and so is the refresh token, unless ``sent_as`` names a member of a JSON body for it.
    """

    access: str = "access_token"
    refresh: str = "refresh_token"
    _: KW_ONLY
    sent_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class Site:
    """An application as a browser sees it. Ours or anybody's: nothing here presumes Reseal."""

    sign_in: Call = ("POST", "/login")
    """What signs a user in without asking anything further."""
    protected: Call = ("GET", "/me")
    """A request that only a user who is signed in may make."""
    refresh: Call = ("POST", "/session/refresh")
    sign_out: Call | None = None
    """Without it nothing is tried that needs it."""
    origin: str = "https://app.example.com"
    """Scheme and host under which an application is visited that is not named by a URL."""
    expired_status: int = 401
    """The status that asks for a refresh."""
    expired_message: str | None = None
    """The ``message`` in the JSON body that asks for a refresh, where the status alone does not."""
    tokens: BodyTokens | None = None
    """How tokens travel that do not travel in cookies."""

    @classmethod
    def of(cls, settings: Settings, *, sign_in: Call = ("POST", "/login"), protected: Call = ("GET", "/me")) -> Site:
        """Describe an application that uses Reseal with these settings, and its ready-made routes."""
        return cls(
            sign_in=sign_in,
            protected=protected,
            refresh=("POST", settings.refresh_api_path),
            sign_out=("POST", settings.signout_api_path),
            origin=settings.api_domain,
            expired_status=settings.session_expired_status_code,
            expired_message=OUR_MESSAGE,
        )


def site_of(described: Site | Settings | None) -> Site:
    """Return the description itself, or the one that follows from settings of Reseal."""
    if described is None:
        return Site()
    return Site.of(described) if isinstance(described, Settings) else described
