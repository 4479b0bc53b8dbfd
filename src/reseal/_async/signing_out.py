"""Signing out: which sessions a client's request ends, and what the client then forgets.

"OK" is said when a session was ended, or when none was shown. A token that was shown and names no session that could
be ended may belong to one that lives on: whoever sent it is asked to refresh first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async import offered
from reseal.core.errors import TryRefreshToken
from reseal.core.model import EndReason
from reseal.web import transport
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from reseal._async.sessions import AsyncReseal


async def sign_out(reseal: AsyncReseal, request: RequestFacts, response: SessionHeaders) -> None:
    """End the sessions that a client shows, by whichever way. See :meth:`AsyncReseal.sign_out`."""
    settings = reseal.settings
    in_header = transport.authorizations(request)
    ways = _ways(reseal, request, is_header=bool(in_header))
    in_cookies = transport.access_cookies(request, settings) if Transport.COOKIE in ways else ()
    held = offered.genuine(reseal.sessions, in_header + in_cookies)
    if not in_header:
        for claims in held or (None,):
            reseal.check_csrf(request, claims)
    if (in_header or in_cookies) and not held:
        raise TryRefreshToken("the token shown names no session that could be ended")
    transport.clear(response, settings, *ways)
    if held:
        await reseal.sessions.revoke(offered.involved(held), EndReason.SIGNED_OUT)


def _ways(reseal: AsyncReseal, request: RequestFacts, *, is_header: bool) -> tuple[Transport, ...]:
    """Say what the client is to forget: cookies beside a header too, unless a foreign page has sent them along."""
    if not is_header:
        return (Transport.COOKIE,)
    return Transport.HEADER, *transport.leftovers(request, reseal.settings, Transport.HEADER)
