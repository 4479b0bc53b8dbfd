# Generated from src/reseal/_async/page_loads.py by tools/unasync.py; edit that file instead.
"""Requests other than a script's calls: a page that is rendered on the server, and a WebSocket that a page opens."""

from __future__ import annotations

from collections.abc import Iterable

from reseal._sync.ports import Sessions
from reseal._sync.refreshing import refresh
from reseal._sync.session import Session
from reseal._sync.verification import verify
from reseal.core.claims import ClaimCheck
from reseal.core.errors import Refusal, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.ids import ANONYMOUS
from reseal.web import csrf, ticket
from reseal.web.context import RequestContext
from reseal.web.csrf import Trust
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from reseal.web.transport import Transport

_NO_ORIGIN = "a WebSocket handshake shows a cookie and no Origin; a non-browser client sends Authorization"
_NOT_REFRESHED = frozenset({Refusal.CROSS_SITE, Refusal.ANTI_CSRF, Refusal.OTHER_SESSION})


def peek(
    sessions: Sessions, context: RequestContext, *, check_database: bool
) -> SignedIn[Session] | RefreshFirst | Anonymous:
    """Find out whose page is being rendered. See :meth:`Reseal.peek`."""
    try:
        return SignedIn(verify(sessions, context, check_database=check_database))
    except TryRefreshToken:
        return RefreshFirst()
    except Unauthorised:
        return Anonymous()


def continue_refresh(sessions: Sessions, context: RequestContext) -> None:
    """Refresh for the page that refreshes first. A session that is over is no error: its tokens are cleared.

    Only under the refresh path. Raises ``Unauthorised`` for a foreign page, ``StoreUnavailable``.
    """
    if not csrf.allows(context.trust, context.request, context.settings, lambda: False):
        raise context.cross_site()  # also where no cookie came: an answer that clears them would count
    try:
        refresh(sessions, context)
    except TokenTheftDetected:
        return
    except Unauthorised as error:
        if error.reason in _NOT_REFRESHED:
            raise
        if error.reason is Refusal.NO_TOKEN:
            context.clear(Transport.COOKIE)  # an access token alone would send the browser here over and over


def admit(sessions: Sessions, context: RequestContext, claims: Iterable[ClaimCheck]) -> Session:
    """Find the session of a WebSocket's handshake: by a ticket for its path, by a header, or by a cookie.

    A cookie counts only from a page of ours. Only a ticket has the store asked whether the session lives. Raises
    ``Unauthorised``, ``TryRefreshToken``, ``InvalidClaims``, ``StoreUnavailable``.
    """
    shown = ticket.read(context.request)
    if shown is not None:
        tokens = sessions.redeem_ticket(shown, context.request.path)
        if tokens.claims.sub == ANONYMOUS:
            raise Unauthorised(Refusal.NOT_SIGNED_IN)
        if claims:
            context.check_claims(tokens.claims, claims, Transport.HEADER)
        return Session(sessions, tokens.claims, context, Transport.HEADER)
    via, tokens_shown = context.access_tokens
    if via is Transport.COOKIE and tokens_shown:
        _demand_own_page(context)
    return verify(sessions, context, csrf_protection=False, claims=claims)


def _demand_own_page(context: RequestContext) -> None:
    match context.trust:
        case Trust.HOSTILE:
            raise context.cross_site()
        case Trust.UNKNOWN:
            raise context.cross_site(_NO_ORIGIN)
