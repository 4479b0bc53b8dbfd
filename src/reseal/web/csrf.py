"""Whether a state-changing request comes from our own pages (S61-S63).

The browser's own evidence comes first, because a page can neither forge nor omit it; a secret or a custom
header decides only if the browser gave none. The table, rows being ``Sec-Fetch-Site`` (Fetch Metadata)
and columns ``Origin`` (Fetch, "Origin header"):

=============  ===========  =========  ==========  =========
..             no Origin    ours       foreign     ``null``
=============  ===========  =========  ==========  =========
same-origin    TRUSTED      TRUSTED    HOSTILE     TRUSTED
same-site      HOSTILE      TRUSTED    HOSTILE     HOSTILE
cross-site     HOSTILE      TRUSTED    HOSTILE     HOSTILE
none           UNKNOWN      TRUSTED    HOSTILE     HOSTILE
absent         UNKNOWN      TRUSTED    HOSTILE     HOSTILE
other text     UNKNOWN      TRUSTED    HOSTILE     HOSTILE
=============  ===========  =========  ==========  =========

A repeated header is HOSTILE: no browser sends one. "Ours" is an exact member of ``settings.origins``. An
unlisted origin is refused even when the browser calls it same-origin, as happens behind a proxy that serves the
application under a name nobody configured: :func:`explain` then says what to add. ``Origin: null`` is sent by the
plain form of a page with ``Referrer-Policy: no-referrer``, by a sandboxed frame, and after a redirect by others.
``same-origin`` distinguishes them: no browser says it of an opaque origin or of such a redirect.

A navigation is judged by :func:`comes_by_itself` instead: it names no origin, and following a foreign link is no crime.

A request's ``Authorization`` or ``st-auth-mode`` header is ignored: a request authenticated by cookie is
checked, regardless of its other headers.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Those of RFC 9110, 9.2.1; all others need the check."""
_OWN_NAVIGATION: Final = frozenset({"same-origin", "none"})
_CUSTOM_HEADERS: Final = ("rid", "anti-csrf")
_SHOWN: Final = 200
"""Longest part of a foreign origin that is logged, in characters."""


class Trust(Enum):
    """The browser's evidence on the origin of a request."""

    TRUSTED = "trusted"
    HOSTILE = "hostile"
    UNKNOWN = "unknown"
    """No evidence: an old browser, or a non-browser client."""


_NO_NAME: Final = "null"
_WITHOUT_ORIGIN: Final = {
    "same-origin": Trust.TRUSTED,
    "same-site": Trust.HOSTILE,
    "cross-site": Trust.HOSTILE,
}


def allows(trust: Trust, facts: RequestFacts, settings: Settings, token_ok: Callable[[], bool]) -> bool:
    """Decide on a state-changing request that carries a session cookie. The method is *not* checked.

    ``trust`` is the :func:`verdict` on the request. ``token_ok`` compares the anti-CSRF token; it is called only where
    the table above says UNKNOWN and ``enable_anti_csrf`` is on. Without that, a custom header will do, which a foreign
    form cannot send.
    """
    if trust is not Trust.UNKNOWN:
        return trust is Trust.TRUSTED
    return token_ok() if settings.enable_anti_csrf else has_custom_header(facts)


def verdict(facts: RequestFacts, settings: Settings) -> Trust:
    """Look the request up in the table above."""
    origins, sites = facts.all("origin"), facts.all("sec-fetch-site")
    if len(origins) > 1 or len(sites) > 1:
        return Trust.HOSTILE
    if origins and not (origins[0] == _NO_NAME and sites == ("same-origin",)):
        return Trust.TRUSTED if origins[0] in settings.origins else Trust.HOSTILE
    return _WITHOUT_ORIGIN.get(sites[0], Trust.UNKNOWN) if sites else Trust.UNKNOWN


def has_custom_header(facts: RequestFacts) -> bool:
    """Return whether the request has a header that a foreign form cannot send."""
    return any((facts.header(name) or "").strip() for name in _CUSTOM_HEADERS)


def comes_by_itself(facts: RequestFacts, settings: Settings) -> bool:
    """Return whether a page was opened by the user or by one of our pages, not by a foreign link or redirect.

    Without Fetch Metadata, which browsers do not send over plain http, the previous page (``Referer``) decides,
    which foreign pages can suppress but not forge.
    """
    sites = facts.all("sec-fetch-site")
    if sites:
        return sites[0] in _OWN_NAVIGATION and len(sites) == 1
    scheme, _, rest = (facts.header("referer") or "").partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" in settings.origins


def explain(facts: RequestFacts, settings: Settings) -> str:
    """Return the reason of a refusal, with advice for honest requests, for the log. Printable ASCII."""
    origins, sites = facts.all("origin"), facts.all("sec-fetch-site")
    if len(origins) > 1 or len(sites) > 1:
        return "the request repeats Origin or Sec-Fetch-Site, which no browser does"
    if origins and origins[0] not in settings.origins:
        return f"the origin {origins[0][:_SHOWN]!a} is not trusted; if it is yours, add it to trusted_origins"
    if verdict(facts, settings) is Trust.HOSTILE:
        return f"the browser marks the request as {sites[0]} and names no origin"
    wanted = "a valid anti-csrf token" if settings.enable_anti_csrf else "a rid or anti-csrf header"
    return f"the browser does not say where the request comes from, and {wanted} is missing"
