"""The headers that pages of other origins may send and read (Fetch, "CORS protocol").

An origin is allowed if it is an exact member of ``settings.origins``: no pattern, no ``*``, no ``null``, because
these answers come with credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal.web import bearer, transport

if TYPE_CHECKING:
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
