"""DPoP in requests and responses (RFC 9449): the headers ``DPoP``, ``DPoP-Nonce`` and ``WWW-Authenticate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from reseal.core.dpop import DpopRefused, Shown
from reseal.web import places

if TYPE_CHECKING:
    from reseal.core.errors import ResealError
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

HEADER: Final = "dpop"
NONCE: Final = "dpop-nonce"
CHALLENGE: Final = "www-authenticate"
_PREFIX: Final = b"dpop "


def is_scheme(authorization: list[bytes]) -> bool:
    """Return whether a credential came by the scheme ``DPoP``."""
    return len(authorization) == 1 and authorization[0][: len(_PREFIX)].lower() == _PREFIX


def read(request: RequestFacts, settings: Settings) -> Shown | None:
    """Read the proof of a request; ``None`` if it has none. Two of them are none that could be right.

    The address is that of ``api_domain``, with the prefix of the application: what ``Host`` says anybody can write.
    """
    lines = request.all(HEADER)
    if not lines:
        return None
    path = places.public(quote(request.path, safe="/"), request, settings)
    return Shown(lines[0] if len(lines) == 1 else "", request.method, f"{settings.api_domain}{path}")


def challenge(headers: SessionHeaders, error: str) -> None:
    """Say why the request was refused, and which proofs are accepted."""
    _publish(headers, DpopRefused(error))


def refuse(headers: SessionHeaders, error: ResealError) -> None:
    """Say so for a proof, with the nonce for the next one, where that can still be said."""
    if isinstance(error, DpopRefused) and not headers.sent:
        _publish(headers, error)


def _publish(headers: SessionHeaders, error: DpopRefused) -> None:
    for name, value in error.headers:
        headers.publish(name, value)
