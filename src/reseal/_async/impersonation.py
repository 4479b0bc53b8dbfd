"""A user who acts as another one for a while, and comes back.

The browser gets an access token of the other user and keeps its own refresh token: there is no refresh token of an
impersonation that could be stolen, it ends with its access token, and a refresh leads back to the actor's own session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reseal._async import actors
from reseal._async.awaited import awaited
from reseal._async.dpop import proof_at_begin
from reseal._async.session import AsyncSession
from reseal._async.verification import verify
from reseal.core import ids
from reseal.core.actor import Actor, actor_of
from reseal.core.errors import InvalidInput, Unauthorised
from reseal.core.events import EventName
from reseal.core.model import EndReason
from reseal.devices import about
from reseal.web import front_token, transport

if TYPE_CHECKING:
    from reseal._async.ports import AsyncSessions
    from reseal.core.access_token import Claims
    from reseal.web.context import RequestContext
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

HALF_AN_HOUR: Final = 30 * 60 * 1000


class AsyncImpersonations:
    """A part of :class:`reseal.AsyncReseal`."""

    if TYPE_CHECKING:
        backend: AsyncSessions

        def context(self, request: RequestFacts, response: SessionHeaders) -> RequestContext: ...

    @awaited
    async def impersonate(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        reason: str,
        at_most: int = HALF_AN_HOUR,
    ) -> AsyncSession:
        """Let the user of this request act as another one; the caller has found out that this user may.

        The browser gets an access token of ``user_id`` that names the actor (``act``, RFC 8693) and ends after
        ``at_most`` ms, no later than any access token and than the actor's own session, which stays. It comes back by
        :meth:`stop_impersonating`, or by the next refresh. ``reason``, up to 256 printable characters, goes into the
        event. Raises ``InvalidInput``, also for a session that acts for somebody already, ``TryRefreshToken``,
        ``Unauthorised``, ``StoreUnavailable``.
        """
        context = self.context(request, response)
        response.demand_unsent("impersonate")
        own = await verify(self.backend, context, csrf_protection=True, check_database=True)
        if own.get_actor() is not None:
            raise InvalidInput("user_id", "this session acts for somebody already; call stop_impersonating first")
        if not about.checked("reason", reason, about.NOTE_MAX).strip():
            raise InvalidInput("reason", "must say why, for the events and whoever reads them")
        if at_most <= 0:
            raise InvalidInput("at_most", "must be more than 0 ms")
        user_id, actor = ids.user_to_sign_in(user_id), Actor(own.get_user_id(), own.get_handle())
        if user_id == actor.user_id:
            raise InvalidInput("user_id", "is the user who would act: name another one")
        _, _, via = own.parts()
        try:
            tokens = await self.backend.create(
                user_id,
                {**(jwt_payload or {}), **actor.claim(reason=reason)},
                session_data,
                caller=context.caller,
                lifetime_ms=min(at_most, context.settings.access_token_ms),
                proof=proof_at_begin(context, via),
            )
        except Unauthorised as error:  # the own session ended a moment ago
            raise context.refuse_everywhere(error, via) from None
        context.attach(replace(tokens, refresh_token=None), via)
        actors.report(EventName.IMPERSONATION_BEGUN, context, tokens.claims, actor.user_id, note=reason)
        return AsyncSession(self.backend, tokens.claims, context, via)

    @awaited
    async def stop_impersonating(self, request: RequestFacts, response: SessionHeaders) -> None:
        """End the impersonation of this request; the browser refreshes its own session before its next call.

        Raises ``InvalidInput`` if the session acts for nobody, ``TryRefreshToken``, ``Unauthorised``,
        ``StoreUnavailable``.
        """
        context = self.context(request, response)
        response.demand_unsent("stop_impersonating")
        session = await verify(self.backend, context, csrf_protection=True)
        claims, _, via = session.parts()
        actor = actor_of(claims.jwt_payload())
        if actor is None:
            raise InvalidInput("session", "acts for nobody")
        await actors.end(self.backend, context, (claims,), EndReason.SIGNED_OUT, with_own=False)
        transport.hand_back(context.outgoing, context.settings, via, front_token.expired(actor.user_id))


async def end_by_refresh(sessions: AsyncSessions, context: RequestContext, held: Iterable[Claims], own: Claims) -> None:
    """End the session in which a user acted as somebody else until this refresh of the user's own."""
    over = [each for each in held if (actor := actor_of(each.jwt_payload())) and actor.handle == own.sid]
    if over:
        await actors.end(sessions, context, over, EndReason.SIGNED_OUT, with_own=False)
