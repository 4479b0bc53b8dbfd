"""A refresh without its cookie: the endpoint was moved, or the configuration names another path.

While the endpoint moves, browsers hold cookies of the older path and pages call either. A request to the one
without a cookie is redirected to the other, once: to a path below it, which never redirects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal.web import places, transport

if TYPE_CHECKING:
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts

SENT: Final = "/moved"
_SHOWN: Final = 200
"""Longest part of a proxy's header that is logged, in characters."""


def refresh_paths(settings: Settings) -> tuple[str, ...]:
    """List the paths within the application at which a refresh is answered: one, or four while the endpoint moves."""
    older = settings.older_refresh_api_path
    if older is None:
        return (settings.refresh_api_path,)
    return tuple(path + sent for path in (settings.refresh_api_path, older) for sent in ("", SENT))


def other_path(facts: RequestFacts, settings: Settings) -> str | None:
    """Return the other path at which the refresh cookie may be, as browsers see it; ``None`` if there is none.

    A request with an anti-CSRF token is not redirected: browsers would send the token along, wherever it leads.
    """
    here, there = settings.refresh_api_path, settings.older_refresh_api_path
    if there is None or facts.header(transport.ANTI_CSRF):
        return None
    if not places.is_under(here, facts, settings):
        here, there = there, here
    if not places.is_under(here, facts, settings) or places.is_under(here + SENT, facts, settings):
        return None
    return places.prefix(facts, settings) + there + SENT


def explain(facts: RequestFacts, settings: Settings) -> str:
    """Explain to a developer why the access cookie came and the refresh cookie did not. Printable ASCII."""
    path = places.prefix(facts, settings) + settings.refresh_api_path
    prefix_header = facts.header("x-forwarded-prefix")
    proxy = f"; the proxy sends the prefix {prefix_header[:_SHOWN]!a}" if prefix_header else ""
    return (
        f"the access cookie came and the refresh cookie did not: browsers send it to {path} alone. If they call this "
        f"endpoint by another path, name what stands before it in public_path_prefix{proxy}; if it was moved, name the "
        "path before in older_refresh_api_path"
    )
