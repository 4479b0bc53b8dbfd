# Generated from src/reseal/_async/actors.py by tools/unasync.py; edit that file instead.
"""Sessions of access tokens in which a user may be acting as another one: how they end, and where that leads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reseal._sync import token_selection
from reseal.core.actor import actor_of
from reseal.core.errors import TryRefreshToken, Unauthorised
from reseal.core.events import EventName

if TYPE_CHECKING:
    from reseal._sync.ports import Sessions
    from reseal.core.access_token import Claims
    from reseal.core.model import EndReason
    from reseal.web.context import RequestContext
    from reseal.web.transport import Transport


class ActedSession:
    """A part of :class:`reseal.Session`."""

    __slots__ = ()

    if TYPE_CHECKING:
        _claims: Claims
        _context: RequestContext
        _via: Transport

    def get_actor(self) -> str | None:
        """Who acts as this user, or ``None`` if it is the user. See :meth:`Reseal.impersonate`."""
        actor = actor_of(self._claims.jwt_payload())
        return actor and actor.user_id

    def _refused(self, error: Unauthorised) -> Unauthorised | TryRefreshToken:
        return refused(self._context, self._claims, error, self._via)


def refused(
    context: RequestContext, claims: Claims, error: Unauthorised, *ways: Transport
) -> Unauthorised | TryRefreshToken:
    """Return the error to raise for a session that is over.

    Whoever acted in it keeps the tokens: a refresh leads back to the actor's own session, or says why that is over too.
    """
    if actor_of(claims.jwt_payload()) is None:
        return context.refuse(error, *ways)
    return TryRefreshToken(f"the impersonation is over: {error.reason.value}")


def end(
    sessions: Sessions,
    context: RequestContext,
    held: Iterable[Claims],
    reason: EndReason,
    *,
    with_own: bool = True,
) -> None:
    """End the sessions of access tokens and, ``with_own``, the actors' own; report the impersonations that this ended.

    Raises ``StoreUnavailable``.
    """
    of_tokens = {each.sid: each for each in held}
    ended = sessions.revoke(token_selection.involved(of_tokens.values()) if with_own else of_tokens, reason)
    for handle in ended:
        claims = of_tokens.get(handle)
        actor = None if claims is None else actor_of(claims.jwt_payload())
        if claims is not None and actor is not None:
            report(EventName.IMPERSONATION_ENDED, context, claims, actor.user_id, reason=reason.value)


def report(
    name: EventName,
    context: RequestContext,
    claims: Claims,
    actor: str,
    *,
    reason: str | None = None,
    note: str | None = None,
) -> None:
    """Report the beginning or the end of an impersonation."""
    context.events.emit(
        name, context.caller, session_handle=claims.sid, user_id=claims.sub, reason=reason, by=actor, note=note
    )
