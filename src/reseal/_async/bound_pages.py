"""What pages are told of a session that their browser has bound, and refreshes by itself."""

from __future__ import annotations

from typing import Final

from reseal._async import token_selection
from reseal._async.dpop import WRONG_TOKEN
from reseal._async.ports import AsyncSessions
from reseal.core.access_token import Claims
from reseal.core.errors import TryRefreshToken, Unauthorised
from reseal.web import cookies, device_bound, dpop, front_token, transport
from reseal.web.context import RequestContext
from reseal.web.transport import Transport

_KNOWN: Final = "sFrontToken"
"""The cookie in which scripts of a page keep what the page knows of its session."""


def told(context: RequestContext, claims: Claims, via: Transport) -> None:
    """Tell a page what its browser has got by binding or refreshing the session, whose answers no page sees.

    Only a page whose requests show what it knows is told; another one learns it by its next refresh.
    """
    if via is not Transport.COOKIE or context.response.sent:
        return
    known = cookies.values(context.cookie_lines, _KNOWN + context.settings.cookie_suffix)
    present = front_token.of(claims)
    if known and present not in known:
        context.outgoing.publish(transport.FRONT_TOKEN, present)


def refused(
    sessions: AsyncSessions, context: RequestContext, error: TryRefreshToken | Unauthorised
) -> TryRefreshToken | Unauthorised:
    """Have a browser that refreshes its session by itself do so, and keep one that could not do it from signing out."""
    if isinstance(error, Unauthorised):
        has_skipped = device_bound.was_skipped(context.request)
        return TryRefreshToken("the browser could not refresh the session by itself") if has_skipped else error
    if dpop.is_scheme(context.authorization_lines) and not context.response.sent:
        dpop.challenge(context.outgoing, WRONG_TOKEN)
    held = token_selection.genuine(sessions, context.access_cookies)
    if not context.response.sent and any(each.cnf is not None for each in held):
        transport.forget_access(context.outgoing, context.settings)  # it refreshes where this cookie is missing
    return error
