# Generated from src/reseal/_async/verification.py by tools/unasync.py; edit that file instead.
"""Verifying the session of a request: its access token, the page it came from, and the store if asked to."""

from __future__ import annotations

from collections.abc import Iterable

from reseal._sync import actors, bound_pages, token_selection
from reseal._sync.ports import Sessions
from reseal._sync.session import Session
from reseal.core import elevation
from reseal.core.access_token import Claims
from reseal.core.claims import ClaimCheck
from reseal.core.errors import Refusal, TryRefreshToken, Unauthorised
from reseal.core.ids import ANONYMOUS
from reseal.web import csrf
from reseal.web.context import RequestContext
from reseal.web.csrf import Trust
from reseal.web.transport import Transport


def verify(
    sessions: Sessions,
    context: RequestContext,
    *,
    csrf_protection: bool | None = None,
    check_database: bool = False,
    claims: Iterable[ClaimCheck] = (),
    allow_anonymous: bool = False,
) -> Session:
    """Verify the session of a request. See :meth:`Reseal.get_session`, and :meth:`Reseal.get_any_session`."""
    sessions.keep_fresh()
    try:
        via, verified, must_ask = token_selection.verified(sessions, context)
    except (TryRefreshToken, Unauthorised) as error:
        raise bound_pages.refused(sessions, context, error) from None
    if verified.sub == ANONYMOUS and not allow_anonymous:
        raise Unauthorised(Refusal.NOT_SIGNED_IN)
    if csrf_protection is None:
        csrf_protection = context.request.method not in csrf.SAFE_METHODS or context.is_handshake
    if csrf_protection and via is Transport.COOKIE:
        check_csrf(sessions, context, verified)
    if verified.cnf is not None:
        bound_pages.told(context, verified, via)
    if check_database or must_ask or verified.unconfirmed:
        verified = _current(sessions, verified, context, via)
    if claims:
        context.check_claims(verified, claims, via)
    return Session(sessions, verified, context, via)


def check_csrf(sessions: Sessions, context: RequestContext, claims: Claims | None) -> None:
    """Refuse a foreign page. Without a session there is no token to compare, but a page to refuse all the same."""

    def token_ok() -> bool:
        if claims is None:
            return csrf.has_custom_header(context.request)
        return sessions.check_anti_csrf(claims, context.anti_csrf)

    trust = context.trust
    if csrf.allows(trust, context.request, context.settings, token_ok):
        return
    if claims and trust is Trust.UNKNOWN and context.settings.enable_anti_csrf:
        raise TryRefreshToken("anti-csrf token missing or not of this session")
    raise context.cross_site()


def _current(sessions: Sessions, claims: Claims, context: RequestContext, via: Transport) -> Claims:
    """Ask the store; a payload that has changed there, or an unconfirmed token, is exchanged at once."""
    try:
        record = sessions.check(claims)
        if not claims.unconfirmed and elevation.is_current(claims, record, context.now):
            return claims
        tokens = sessions.reissue(claims, record)
    except Unauthorised as error:
        raise actors.refused(context, claims, error, via, *context.leftovers(via)) from None
    if not context.response.sent:  # otherwise the next request gets them
        context.attach(tokens, via)
    return tokens.claims
