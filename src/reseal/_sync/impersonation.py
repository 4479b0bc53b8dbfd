# Generated from src/reseal/_async/impersonation.py by tools/unasync.py; edit that file instead.
"""A user who acts as another one for a while, and comes back.

The browser gets an access token of the other user and keeps its own refresh token: there is no refresh token of an
impersonation that could be stolen, it ends with its access token, and a refresh leads back to the actor's own session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reseal._sync.session import Session
from reseal.core import ids
from reseal.core.actor import Actor, actor_of
from reseal.core.errors import InvalidInput
from reseal.core.events import Caller, EventName
from reseal.core.model import EndReason
from reseal.web import front_token, transport
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

if TYPE_CHECKING:
    from reseal._sync.sessions import Reseal

HALF_AN_HOUR: Final = 30 * 60 * 1000


def begin(
    reseal: Reseal,
    request: RequestFacts,
    response: SessionHeaders,
    user_id: str,
    jwt_payload: Mapping[str, object],
    session_data: Mapping[str, object] | None,
    *,
    reason: str,
    at_most: int,
) -> Session:
    """Hand out an access token of ``user_id`` in place of the actor's. See :meth:`Reseal.impersonate`."""
    response.demand_unsent("impersonate")
    own = reseal.get_session(request, response, enable_csrf_protection=True, check_database=True)
    if own.get_actor() is not None:
        raise InvalidInput("user_id", "this session acts for somebody already; call stop_impersonating first")
    if not reason.strip():
        raise InvalidInput("reason", "must say why, for the events and whoever reads them")
    if at_most <= 0:
        raise InvalidInput("at_most", "must be more than 0 ms")
    actor = Actor(own.get_user_id(), own.get_handle())
    tokens = reseal.sessions.create(
        ids.user_id(user_id),
        {**jwt_payload, **actor.claim()},
        session_data,
        caller=Caller(request.device, request.correlation_id),
        lifetime_ms=min(at_most, reseal.settings.access_token_ms),
    )
    _, _, via = own.parts()
    reseal.attach(replace(tokens, refresh_token=None), response, via)
    reseal.tell(EventName.IMPERSONATION_BEGUN, request, tokens.claims, actor, reason)
    return Session(reseal, tokens.claims, response, via)


def stop(reseal: Reseal, request: RequestFacts, response: SessionHeaders) -> None:
    """End an impersonation and have the browser refresh its own session. See :meth:`Reseal.stop_impersonating`."""
    response.demand_unsent("stop_impersonating")
    session = reseal.get_session(request, response, enable_csrf_protection=True)
    claims, _, via = session.parts()
    actor = actor_of(claims.jwt_payload())
    if actor is None:
        raise InvalidInput("session", "acts for nobody")
    reseal.sessions.revoke((claims.sid,), EndReason.SIGNED_OUT)
    transport.hand_back(response, reseal.settings, via, front_token.expired(actor.user_id))
    reseal.tell(EventName.IMPERSONATION_ENDED, request, claims, actor, None)
