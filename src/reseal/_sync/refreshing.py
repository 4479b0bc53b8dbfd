# Generated from src/reseal/_async/refreshing.py by tools/unasync.py; edit that file instead.
"""Refreshing: which refresh token of a request counts, whether its page may, and what leaves with the response."""

from __future__ import annotations

from typing import NamedTuple

from reseal._sync import impersonation, token_selection
from reseal._sync.binding import of_session, still_good
from reseal._sync.ports import Sessions
from reseal.core.access_token import Claims
from reseal.core.dpop import Shown
from reseal.core.errors import (
    ProofDemanded,
    RefreshElsewhere,
    RefreshLater,
    Refusal,
    ResealError,
    TokenTheftDetected,
    Unauthorised,
    WrongMethod,
)
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.tokens import TokenPair
from reseal.web import csrf, device_bound, dpop, front_token, moves, transport
from reseal.web.context import RequestContext
from reseal.web.csrf import Trust
from reseal.web.presented import RefreshRequest
from reseal.web.transport import Transport

_PLANTED = "the refresh cookie is of another session than the access cookie: a neighbouring host may have set it"


class Refreshed(NamedTuple):
    """The session as its new tokens say, and how they leave."""

    claims: Claims
    via: Transport
    in_body: TokenPair | None = None
    """Those that go into the body of the answer, where the refresh token came in one."""


def refresh(
    sessions: Sessions, context: RequestContext, *, session: str | None = None, proof: str | Shown | None = None
) -> Refreshed:
    """Exchange the refresh token of a request. See :meth:`Reseal.refresh_session`.

    ``session``: the one that the browser itself refreshes, by a header that no page can set. ``proof``: its key's.
    """
    context.response.demand_unsent("refresh_session")
    if context.request.method != "POST":
        raise WrongMethod
    asked = context.refresh_request
    if not asked.tokens:
        raise _without_token(sessions, context, asked)
    by_page = session is None
    require_anti_csrf = by_page and asked.via is Transport.COOKIE and _needs_anti_csrf(context, asked.trust)
    if asked.via is Transport.HEADER and context.settings.device_binding != "off":
        proof = dpop.read(context.request, context.settings)
    sessions.keep_fresh()
    candidates, strangers, held = token_selection.for_refresh(sessions, asked)
    if session is not None:
        candidates = of_session(session, candidates)
    if asked.via is Transport.COOKIE:
        _demand_own_session(sessions, context, strangers)
    try:
        tokens = _exchange(sessions, context, candidates, proof, require_anti_csrf=require_anti_csrf)
    except ProofDemanded:
        present = still_good(held, context.now()) if by_page else None
        if present is None and by_page and _may_be_its_own(context, asked, held):
            raise RefreshLater from None
        if present is None:
            raise
        context.outgoing.publish(transport.FRONT_TOKEN, front_token.of(present))
        return Refreshed(present, asked.via)
    except (Unauthorised, TokenTheftDetected) as error:
        raise context.refuse_everywhere(error, asked.via) from None
    impersonation.end_by_refresh(sessions, context, held, tokens.claims)
    context.hand_over(tokens, asked.via)
    return Refreshed(tokens.claims, asked.via, tokens if asked.is_in_body else None)


def _may_be_its_own(context: RequestContext, asked: RefreshRequest, held: list[Claims]) -> bool:
    """Return whether a browser without a proof may be that of the session after all.

    It could not refresh by itself, as it says, or has not tried, because it holds an access token that nobody can read
    since the keys were replaced. It tries where that is missing.
    """
    if asked.access and not held:
        transport.forget_access(context.outgoing, context.settings)
        return True
    return device_bound.was_skipped(context.request)


def _without_token(sessions: Sessions, context: RequestContext, asked: RefreshRequest) -> ResealError:
    """Find out why no refresh token came: it lives at another path, or nobody calls the path of its cookie."""
    elsewhere = moves.other_path(context.request, context.settings)
    if elsewhere is not None:
        return RefreshElsewhere(elsewhere)
    if asked.trust is Trust.HOSTILE or not token_selection.genuine(sessions, asked.access):
        return Unauthorised(Refusal.NO_TOKEN)
    reason = moves.explain(context.request, context.settings)
    context.events.emit(EventName.REFRESH_COOKIE_MISSING, context.caller, reason=reason)
    return Unauthorised(Refusal.NO_TOKEN, reason)


def _needs_anti_csrf(context: RequestContext, trust: Trust) -> bool:
    """Refuse a foreign page; return whether the anti-CSRF token has to decide about this one."""
    if csrf.allows(trust, context.request, context.settings, lambda: True):
        return context.settings.enable_anti_csrf and trust is Trust.UNKNOWN
    raise context.cross_site()


def _demand_own_session(sessions: Sessions, context: RequestContext, strangers: tuple[str, ...]) -> None:
    """Refuse refresh tokens of others beside the access token of a session that lives.

    A neighbouring host can plant a refresh cookie, but no access cookie named ``__Host-``.
    """
    if strangers and len(sessions.why_ended(strangers)) < len(strangers):
        context.events.emit(EventName.REFRESH_REFUSED, context.caller, reason=Refusal.OTHER_SESSION.value)
        raise Unauthorised(Refusal.OTHER_SESSION, _PLANTED)


def _exchange(
    sessions: Sessions,
    context: RequestContext,
    candidates: tuple[str, ...],
    proof: str | Shown | None,
    *,
    require_anti_csrf: bool,
) -> TokenPair:
    """Try the tokens in this order. The refusal of the last one counts, or one of a session that goes on."""
    refusal: Unauthorised | SessionHeld | None = None
    for token in candidates:
        try:
            return sessions.refresh(
                token,
                anti_csrf=context.refresh_request.anti_csrf,
                require_anti_csrf=require_anti_csrf,
                attempt_key=context.refresh_request.attempt_key,
                proof=proof,
                caller=context.caller,
            )
        except (Unauthorised, SessionHeld) as error:  # an old cookie of another session beside this one
            refusal = refusal if isinstance(refusal, (SessionHeld, ProofDemanded)) else error
    raise refusal or Unauthorised(Refusal.NO_TOKEN)
