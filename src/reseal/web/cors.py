"""The headers that pages of other origins may send and read (Fetch, "CORS protocol").

An origin is allowed if it is an exact member of ``settings.origins``: no pattern, no ``*``, no ``null``, because
these answers come with credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal.web import bearer, dpop, transport
from reseal.web.responses import WebResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

_SENT: Final = (
    "rid",
    "fdi-version",
    transport.ANTI_CSRF,
    "authorization",
    transport.AUTH_MODE,
    transport.ATTEMPT,
    dpop.HEADER,
    "content-type",
    "supertokens-sdk-name",
    "supertokens-sdk-version",
)
"""The last two are sent by the first published frontends only."""
_READ: Final = (
    transport.FRONT_TOKEN,
    transport.ANTI_CSRF,
    bearer.ACCESS_TOKEN,
    bearer.REFRESH_TOKEN,
    "retry-after",
    dpop.NONCE,
    dpop.CHALLENGE,
)
METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def get_cors_headers() -> list[str]:
    """List the request headers that pages send for their session: for ``Access-Control-Allow-Headers``."""
    return list(_SENT)


def get_cors_exposed_headers() -> list[str]:
    """List the response headers that pages read for their session: for ``Access-Control-Expose-Headers``.

    Session responses expose their own headers; use this list to set it globally, and for ``Retry-After``.
    """
    return list(_READ)


def allow(facts: RequestFacts, settings: Settings, headers: SessionHeaders) -> bool:
    """Answer a preflight of an allowed origin; return whether it was one."""
    origins = facts.all("origin")
    if len(origins) != 1 or origins[0] not in settings.origins:
        return False
    headers.set("access-control-allow-origin", origins[0])
    headers.set("access-control-allow-credentials", "true")
    headers.set("access-control-allow-headers", ", ".join(_SENT))
    headers.set("access-control-allow-methods", ", ".join(METHODS))
    return True


class OwnOrigins:
    """The answers to the pages of ``settings.origins``, for adapters whose framework has no CORS of its own."""

    def __init__(self, settings: Settings, allow_headers: Iterable[str], expose_headers: Iterable[str]) -> None:
        self._origins = frozenset(settings.origins)
        self._allowed = ", ".join([*_SENT, *allow_headers])
        self._exposed = ", ".join([*_READ, *expose_headers])

    def preflight(self, facts: RequestFacts) -> WebResponse | None:
        """Answer a preflight of a page of ours; ``None`` for any other request."""
        origin = self._own(facts)
        if origin is None or facts.method != "OPTIONS" or not facts.all("access-control-request-method"):
            return None
        headers = (
            ("access-control-allow-headers", self._allowed),
            ("access-control-allow-methods", ", ".join(METHODS)),
            ("access-control-max-age", "600"),
        )
        return WebResponse(204, headers)

    def headers(self, facts: RequestFacts) -> list[tuple[str, str]]:
        """List what the response to a request says beside the application's own headers."""
        vary = ("vary", "Origin")
        origin = self._own(facts)
        if origin is None:
            return [vary]
        return [
            vary,
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", self._exposed),
        ]

    def _own(self, facts: RequestFacts) -> str | None:
        origins = facts.all("origin")
        return origins[0] if len(origins) == 1 and origins[0] in self._origins else None
