# Generated from src/reseal/_async/signing_out.py by tools/unasync.py; edit that file instead.
"""Signing out: which sessions a client's request ends, and what the client then forgets.

"OK" is said when a session was ended, or when none was shown. A token that was shown and names no session that could
be ended may belong to one that lives on: its sender is asked to refresh first.
"""

from __future__ import annotations

from reseal._sync import actors, token_selection
from reseal._sync.dpop import demand
from reseal._sync.ports import Sessions
from reseal._sync.verification import check_csrf
from reseal.core.errors import TryRefreshToken, WrongMethod
from reseal.core.model import EndReason
from reseal.web.context import RequestContext
from reseal.web.transport import Transport


def sign_out(sessions: Sessions, context: RequestContext) -> None:
    """End the sessions that a client shows, by either transport. See :meth:`Reseal.sign_out`."""
    context.response.demand_unsent("sign_out", "; to end a session without a response, revoke it by its handle")
    if context.request.method != "POST":
        raise WrongMethod
    sessions.keep_fresh()
    in_header = context.authorization
    ways = _ways(context, is_header=bool(in_header))
    in_cookies = context.access_cookies if Transport.COOKIE in ways else ()
    held = token_selection.genuine(sessions, in_header + in_cookies)
    for each in held:
        if each.scheme is not None:
            demand(sessions, context, Transport.HEADER, each)
    if not in_header:
        for claims in held or (None,):
            check_csrf(sessions, context, claims)
    if (in_header or in_cookies) and not held:
        raise TryRefreshToken("the token shown names no session that could be ended")
    context.clear(*ways)
    if held:
        actors.end(sessions, context, held, EndReason.SIGNED_OUT)


def _ways(context: RequestContext, *, is_header: bool) -> tuple[Transport, ...]:
    """Name what the client is to forget: cookies beside a header too, unless a foreign page has sent them along."""
    if not is_header:
        return (Transport.COOKIE,)
    return Transport.HEADER, *context.leftovers(Transport.HEADER)
