"""Visits other than a script's calls: a page that is rendered on the server, and a WebSocket that a page opens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reseal._async.session import AsyncSession
from reseal.core.claims import ClaimCheck
from reseal.core.errors import Refusal, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.web import csrf, ticket, transport
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from reseal._async.sessions import AsyncReseal

_NO_ORIGIN = "a WebSocket handshake shows a cookie and no Origin; a client that is no browser sends Authorization"


async def peek(
    reseal: AsyncReseal, request: RequestFacts, response: SessionHeaders, *, check_database: bool
) -> SignedIn[AsyncSession] | RefreshFirst | Anonymous:
    """Find out whose page is being rendered. See :meth:`AsyncReseal.peek`."""
    try:
        return SignedIn(await reseal.get_session(request, response, check_database=check_database))
    except TryRefreshToken:
        return RefreshFirst()
    except Unauthorised:
        return Anonymous()


async def continue_refresh(reseal: AsyncReseal, request: RequestFacts, response: SessionHeaders) -> None:
    """Refresh for the page that refreshes first. A session that is over is no error: its tokens are cleared.

    Only under the refresh path. Raises ``Unauthorised`` for a foreign page, ``StoreUnavailable``.
    """
    reseal.demand_own_page(request)  # also where no cookie came: an answer that clears them would count
    try:
        await reseal.refresh_session(request, response)
    except TokenTheftDetected:
        return
    except Unauthorised as error:
        if error.reason in {Refusal.CROSS_SITE, Refusal.ANTI_CSRF, Refusal.OTHER_SESSION}:
            raise
        if error.reason is Refusal.NO_TOKEN:
            # An access token alone would send the browser here again and again.
            transport.clear(response, reseal.settings, Transport.COOKIE)


async def admit(
    reseal: AsyncReseal, request: RequestFacts, response: SessionHeaders, claims: Iterable[ClaimCheck]
) -> AsyncSession:
    """Find the session of a WebSocket's handshake: by a ticket for its path, by a header, or by a cookie.

    A cookie counts only from a page of ours. Whether the session lives is not asked, but for a ticket. Raises
    ``Unauthorised``, ``TryRefreshToken``, ``InvalidClaims``, ``StoreUnavailable``.
    """
    shown = ticket.read(request)
    if shown is not None:
        tokens = await reseal.sessions.redeem_ticket(shown, request.path)
        session = AsyncSession(reseal, tokens.claims, response, Transport.HEADER)
        reseal.demand(session, claims)
        return session
    via, offered = transport.read_access(request, reseal.settings)
    if via is Transport.COOKIE and offered:
        _demand_own_page(reseal, request)
    return await reseal.get_session(request, response, enable_csrf_protection=False, claims=claims)


def _demand_own_page(reseal: AsyncReseal, request: RequestFacts) -> None:
    match csrf.verdict(request, reseal.settings):
        case Trust.HOSTILE:
            raise reseal.cross_site(request)
        case Trust.UNKNOWN:
            raise reseal.cross_site(request, _NO_ORIGIN)
