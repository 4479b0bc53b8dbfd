"""Sessions of browsers: the mission's calls, for any framework.

A request is a value (:class:`reseal.web.facts.RequestFacts`); what the response has to say collects in
:class:`reseal.web.headers.SessionHeaders`. Whoever calls makes sure that these headers go out with the response,
also when a call raises: clearing cookies is part of a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar, overload

from reseal._async import changes, impersonation, offered, signing_out, visits
from reseal._async.colour import awaited
from reseal._async.engine import AsyncEngine
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession
from reseal._async.stores import make_store
from reseal.clock import Clock, SystemClock
from reseal.core import actor, ids, payload
from reseal.core.access_token import Claims
from reseal.core.actor import Actor
from reseal.core.claims import ClaimCheck, check_claims
from reseal.core.errors import (
    InvalidInput,
    RefreshElsewhere,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
)
from reseal.core.events import Caller, EventListener, EventName
from reseal.core.model import EndReason, SessionRecord
from reseal.core.tokens import TokenPair
from reseal.log import log_event
from reseal.settings import Settings
from reseal.teller import Teller
from reseal.web import answers, bearer, cors, csrf, moves, older_frontends, places, transport
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from reseal.web.transport import Transport

T = TypeVar("T")
ErrorT = TypeVar("ErrorT", bound=ResealError)
_CALLBACK = "the callback of an identity provider signs in with allow_cross_site=True, after it has checked its state"


class AsyncReseal:
    """Everything an application calls. Use as ``async with AsyncReseal(settings) as reseal``, or open and close it.

    Without ``sessions`` it embeds an engine over the store that ``settings.database_uri`` names.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._teller = Teller(settings.scope, self._clock, on_event)
        self.sessions: AsyncSessions = sessions or AsyncEngine(
            settings, make_store(settings, clock), clock=clock, on_event=on_event
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the store, load the keys. Raises ``ConfigurationError`` or ``StoreUnavailable``."""
        await self.sessions.open()

    async def close(self) -> None:
        await self.sessions.close()

    def now(self) -> int:
        """Return the time (ms since the epoch) by which claims are checked, for a payload that ``FreshClaim`` reads."""
        return self._clock.wall()

    # -- one browser's session --------------------------------------------------------------------------------------

    @awaited
    async def create_new_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        allow_cross_site: bool = False,
    ) -> AsyncSession:
        """Sign a user in: begin a session, end the one that this client held, and hand out the tokens.

        They go into cookies or headers as ``token_transfer_method`` says. The caller has authenticated ``user_id``.
        A request that a foreign page caused gets no cookies, or that page could sign the user in as somebody else:
        ``allow_cross_site`` is for the callback of an identity provider, after its ``state`` was checked, and for links
        in mails. Raises ``Unauthorised`` for a foreign page, ``InvalidInput``, ``StoreUnavailable``; then nothing was
        begun, and the client keeps what it had. Raises ``RuntimeError`` once the response has begun.
        """
        response.demand_unsent("create_new_session")
        self._begin(request, response)
        actor.refuse(jwt_payload)
        via = transport.for_new_session(request, self.settings)
        is_foreign = not allow_cross_site and csrf.verdict(request, self.settings) is Trust.HOSTILE
        if is_foreign and via is Transport.COOKIE:
            raise self.cross_site(request, f"{csrf.explain(request, self.settings)}; {_CALLBACK}")
        tokens = await self.sessions.create(user_id, jwt_payload, session_data, caller=_caller(request))
        if response.sent:  # meanwhile: nobody would ever hold the new session
            await self.sessions.revoke((tokens.claims.sid,))
            response.demand_unsent("create_new_session")
        held = offered.involved(offered.held(self.sessions, self.settings, request, with_cookies=not is_foreign))
        if held:
            await self.sessions.revoke(held, EndReason.REPLACED)
        self._hand_over(tokens, request, response, via)
        return AsyncSession(self, tokens.claims, response, via)

    @awaited
    async def get_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's third argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> AsyncSession:
        """Verify the session of a request, without I/O unless asked for it.

        ``enable_csrf_protection``: ``None`` checks the methods that change something; a token that came in a header
        needs no check. ``check_database`` asks the store whether the session was revoked meanwhile. Raises
        ``TryRefreshToken`` (tokens stay), ``Unauthorised`` (tokens cleared, where there were any),
        ``InvalidClaims``, ``StoreUnavailable``.
        """
        self._begin(request, response)
        await self.sessions.keep_fresh()
        via, verified = offered.verified(self.sessions, self.settings, request)
        if _wants_csrf_check(request, asked=enable_csrf_protection) and via is Transport.COOKIE:
            self.check_csrf(request, verified)
        session = AsyncSession(self, verified, response, via)
        if check_database or verified.unconfirmed:
            session = await self._checked(verified, request, response, via)
        self.demand(session, claims)
        return session

    @awaited
    async def refresh_session(self, request: RequestFacts, response: SessionHeaders) -> AsyncSession:
        """Give the client new tokens for its refresh token. Only by POST, only on the refresh path.

        They leave by the way on which the refresh token came. Raises ``Unauthorised`` and ``TokenTheftDetected``
        (tokens cleared), ``StoreUnavailable`` (tokens stay), ``RuntimeError`` once the response has begun.
        """
        tokens, via = await self._refresh(request, response)
        return AsyncSession(self, tokens.claims, response, via)

    @awaited
    async def answer_refresh(self, request: RequestFacts, response: SessionHeaders) -> dict[str, object]:
        """Do what :meth:`refresh_session` does, and give the body of the answer.

        It is empty but for a client that sent its refresh token in a JSON body, and gets the new ones in one.
        """
        tokens, _ = await self._refresh(request, response)
        return bearer.answer(tokens, self._clock.wall()) if transport.asks_for_body(request) else {}

    @awaited
    async def sign_out(self, request: RequestFacts, response: SessionHeaders) -> None:
        """End the client's session, also with an expired access token, and have the client forget it.

        Again and again is fine. A token that names no session, because its signing key was retired for instance, ends
        none: that raises ``TryRefreshToken``, and nothing is forgotten. Raises ``StoreUnavailable`` if the store could
        not note it: the client has then forgotten the session, but the session itself may live on. Raises
        ``Unauthorised`` for a foreign page, ``RuntimeError`` once the response has begun.
        """
        response.demand_unsent("sign_out", "; to end a session without a response, revoke it by its handle")
        self._begin(request, response)
        if request.method != "POST":
            raise WrongMethod
        await self.sessions.keep_fresh()
        await signing_out.sign_out(self, request, response)

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
        at_most: int = impersonation.HALF_AN_HOUR,
    ) -> AsyncSession:
        """Let the user of this request act as another one; the caller has found out that this user may.

        The browser gets an access token of ``user_id`` that names the actor (``act``, RFC 8693) and ends after
        ``at_most`` ms, and no later than any access token; its own session stays. It comes back by
        :meth:`stop_impersonating`, or by the next refresh. ``reason`` goes into the event. Raises ``InvalidInput``,
        also for a session that acts for somebody already, ``TryRefreshToken``, ``Unauthorised``, ``StoreUnavailable``.
        """
        wanted = jwt_payload or {}
        return await impersonation.begin(
            self, request, response, user_id, wanted, session_data, reason=reason, at_most=at_most
        )

    @awaited
    async def stop_impersonating(self, request: RequestFacts, response: SessionHeaders) -> None:
        """End the impersonation of this request; the browser refreshes its own session before its next call.

        Raises ``InvalidInput`` if the session acts for nobody, ``TryRefreshToken``, ``Unauthorised``,
        ``StoreUnavailable``.
        """
        await impersonation.stop(self, request, response)

    @awaited
    async def peek(
        self, request: RequestFacts, response: SessionHeaders, *, check_database: bool = False
    ) -> SignedIn[AsyncSession] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. Refuses nobody and refreshes nothing. Raises ``StoreUnavailable``."""
        return await visits.peek(self, request, response, check_database=check_database)

    def require_own_origin(self, request: RequestFacts) -> None:
        """Refuse a request that a foreign page caused: for endpoints that have no session yet, like the sign-in's.

        Without it a foreign page could sign the user in as somebody else. A client that is not a browser, and so
        names no origin, passes. Raises ``Unauthorised``.
        """
        if csrf.verdict(request, self.settings) is Trust.HOSTILE:
            raise self.cross_site(request)

    def demand_own_page(self, request: RequestFacts) -> None:
        """Refuse what one of our pages did not send. Raises ``Unauthorised``."""
        if not csrf.allows(request, self.settings, lambda: False):
            raise self.cross_site(request)

    def set_relevant_headers_for_options_api(self, request: RequestFacts, response: SessionHeaders) -> bool:
        """Answer a preflight (``OPTIONS``) of one of our origins; says ``False``, and nothing else, to any other."""
        response.demand_unsent("set_relevant_headers_for_options_api")
        return cors.allow(request, self.settings, response)

    # -- any session, by its handle or its user: an id that is not text raises InvalidInput --------------------------

    @awaited
    async def revoke_session_using_session_handle(self, session_handle: str) -> bool:
        """End one session. Says whether this call ended it."""
        return bool(await self.sessions.revoke((ids.handle(session_handle),)))

    @awaited
    async def revoke_multiple_sessions(self, session_handles: Iterable[str]) -> tuple[str, ...]:
        """End exactly these sessions; names those that this call ended."""
        return await self.sessions.revoke(session_handles)

    @awaited
    async def revoke_all_sessions_for_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        return await self.sessions.revoke_user(user_id, keep=keep)

    @awaited
    async def end_sessions_before(
        self, moment: datetime, *, user_id: str | None = None, all_tenants: bool = False
    ) -> int:
        """End the sessions that were begun or refreshed before a moment for the last time; says how many.

        For the hour after a backup was restored, in which sessions that were revoked since live again. Of one user, or
        of all; of this tenant, or of all tenants of the app. Raises ``InvalidInput`` for a moment without time zone or
        one that is still to come, ``StoreUnavailable`` (then call again).
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise InvalidInput("moment", "must be a datetime with a time zone: datetime.now(UTC), for example")
        at = int(moment.timestamp() * 1000)
        return await self.sessions.end_before(at, user_id=user_id, all_tenants=all_tenants)

    @awaited
    async def get_all_session_handles_for_user(self, user_id: str) -> tuple[str, ...]:
        """Name the live sessions of a user, oldest first."""
        return tuple(record.handle for record in await self.sessions.list_user(user_id))

    @overload
    async def get_session_data(self, session_handle: str) -> dict[str, Any]: ...
    @overload
    async def get_session_data(self, session_handle: str, *, as_: type[T]) -> T: ...
    @awaited
    async def get_session_data(self, session_handle: str, *, as_: type[Any] | None = None) -> Any:
        """Read a session's data: as a dict, or as a dataclass, ``TypedDict`` or msgspec ``Struct``.

        Raises ``Unauthorised`` if there is no such live session, ``GeneralError`` if the data does not fit ``as_``.
        """
        return changes.read_data(await self.sessions.get(session_handle), as_)

    @overload
    async def change_session_data(
        self, session_handle: str, change: Callable[[dict[str, Any]], Mapping[str, object]]
    ) -> Mapping[str, object]: ...
    @overload
    async def change_session_data(self, session_handle: str, change: Callable[[T], T], *, as_: type[T]) -> T: ...
    @awaited
    async def change_session_data(
        self, session_handle: str, change: Callable[[Any], Any], *, as_: type[Any] | None = None
    ) -> Any:
        """Replace a session's data by what ``change`` makes of it. See :meth:`AsyncSession.change_session_data`."""

        async def read() -> SessionRecord:
            return await self.sessions.get(session_handle)

        return await changes.change_session_data(self.sessions, read, change, as_=as_)

    @awaited
    async def update_session_data(self, session_handle: str, session_data: Mapping[str, object]) -> None:
        """Replace a session's data, whatever another request has written. Raises ``InvalidInput``, ``Unauthorised``."""
        await self.sessions.update(session_handle, session_data=session_data)

    @awaited
    async def get_jwt_payload(self, session_handle: str) -> dict[str, Any]:
        """Read the payload that a session's next access token will carry. Raises ``Unauthorised``."""
        return payload.decode((await self.sessions.get(session_handle)).jwt_payload)

    @awaited
    async def update_jwt_payload(self, session_handle: str, jwt_payload: Mapping[str, object]) -> None:
        """Replace a session's JWT payload; it reaches the browser with the next access token."""
        await self.sessions.update(session_handle, jwt_payload=jwt_payload)

    @awaited
    async def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        return await self.sessions.rotate_keys()

    # -- for sessions and adapters ----------------------------------------------------------------------------------

    def attach(self, tokens: TokenPair, response: SessionHeaders, via: Transport) -> None:
        """Put tokens into a response."""
        transport.attach(response, self.settings, via, tokens, self._clock.wall())

    def refuse(self, error: ErrorT, response: SessionHeaders, *ways: Transport) -> ErrorT:
        """Clear the tokens if this error ends the client's session, and it can be told; gives the error back."""
        if not response.sent and answers.clears_session(error):
            transport.clear(response, self.settings, *ways)
        return error

    def demand(self, session: AsyncSession, claims: Iterable[ClaimCheck]) -> None:
        """Check the claims of a session. Raises ``InvalidClaims``."""
        if claims:
            check_claims(claims, session.get_jwt_payload(), self._clock.wall())

    def check_csrf(self, request: RequestFacts, claims: Claims | None) -> None:
        """Refuse a foreign page. Without a session there is no token to compare, but a page to refuse all the same."""

        def token_ok() -> bool:
            if claims is None:
                return csrf.has_custom_header(request)
            return self.sessions.check_anti_csrf(claims, transport.read_anti_csrf(request))

        if csrf.allows(request, self.settings, token_ok):
            return
        if claims and csrf.verdict(request, self.settings) is Trust.UNKNOWN and self.settings.enable_anti_csrf:
            raise TryRefreshToken("anti-csrf token missing or not of this session")
        raise self.cross_site(request)

    def cross_site(self, request: RequestFacts, reason: str | None = None) -> Unauthorised:
        """Tell of a request from a foreign page, and give the error to raise."""
        told = reason or csrf.explain(request, self.settings)
        self._teller.tell(EventName.CROSS_SITE_REFUSED, _caller(request), reason=told)
        return Unauthorised(Refusal.CROSS_SITE, told)

    def tell(self, name: EventName, request: RequestFacts, claims: Claims, who: Actor, note: str | None) -> None:
        """Tell of what an actor does with the session of a token."""
        self._teller.tell(
            name, _caller(request), session_handle=claims.sid, user_id=claims.sub, by=who.user_id, note=note
        )

    def report(self, error: StoreUnavailable, request: RequestFacts) -> None:
        """Tell the listener that a request could not be served for want of the store."""
        self._teller.tell(EventName.STORE_UNAVAILABLE, _caller(request), reason=str(error))

    def _begin(self, request: RequestFacts, response: SessionHeaders) -> None:
        response.touch()
        response.path_prefix = places.prefix(request, self.settings)
        if self.settings.frontend_compatibility:
            response.for_older_frontend = older_frontends.may_have_sent(request)

    def _hand_over(self, tokens: TokenPair, request: RequestFacts, response: SessionHeaders, via: Transport) -> None:
        """Put tokens into a response, and delete what the client holds for the other way."""
        for other in transport.leftovers(request, self.settings, via):
            transport.forget(response, self.settings, other)
        self.attach(tokens, response, via)

    async def _checked(
        self, claims: Claims, request: RequestFacts, response: SessionHeaders, via: Transport
    ) -> AsyncSession:
        """Ask the store; a payload that has changed there, or an unconfirmed token, is exchanged at once."""
        try:
            record = await self.sessions.check(claims)
            if not claims.unconfirmed and bytes(claims.payload) == record.jwt_payload:
                return AsyncSession(self, claims, response, via)
            tokens = await self.sessions.reissue(claims, record)
        except Unauthorised as error:
            raise self.refuse(error, response, *self._ways(request, via)) from None
        if not response.sent:  # otherwise the next request is told
            self.attach(tokens, response, via)
        return AsyncSession(self, tokens.claims, response, via)

    def _ways(self, request: RequestFacts, via: Transport) -> tuple[Transport, ...]:
        return via, *transport.leftovers(request, self.settings, via)

    async def _refresh(self, request: RequestFacts, response: SessionHeaders) -> tuple[TokenPair, Transport]:
        response.demand_unsent("refresh_session")
        self._begin(request, response)
        if request.method != "POST":
            raise WrongMethod
        via, presented = transport.read_refresh(request, self.settings)
        if not presented:
            raise self._without_token(request)
        require_anti_csrf = via is Transport.COOKIE and self._refresh_needs_token(request)
        await self.sessions.keep_fresh()
        if via is Transport.COOKIE:
            await self._demand_own_line(request, presented)
        try:
            tokens = await self._refresh_any(presented, request, require_anti_csrf=require_anti_csrf)
        except (Unauthorised, TokenTheftDetected) as error:
            raise self.refuse(error, response, *self._ways(request, via)) from None
        await self._end_impersonation(request, tokens.claims)
        self._hand_over(tokens, request, response, via)
        return tokens, via

    async def _end_impersonation(self, request: RequestFacts, own: Claims) -> None:
        """End the session in which a user acted as somebody else until this refresh of the user's own."""
        held = offered.held(self.sessions, self.settings, request)
        over = [each for each in held if own.sid in offered.involved((each,)) and each.sid != own.sid]
        if over:
            await self.sessions.revoke([each.sid for each in over], EndReason.SIGNED_OUT)

    def _without_token(self, request: RequestFacts) -> ResealError:
        """Find out why no refresh token came: it lives at another path, or nobody calls the path of its cookie."""
        elsewhere = moves.other_path(request, self.settings)
        if elsewhere is not None:
            return RefreshElsewhere(elsewhere)
        if csrf.verdict(request, self.settings) is Trust.HOSTILE or not offered.held(
            self.sessions, self.settings, request
        ):
            return Unauthorised(Refusal.NO_TOKEN)
        told = moves.explain(request, self.settings)
        self._teller.tell(EventName.REFRESH_COOKIE_MISSING, _caller(request), reason=told)
        return Unauthorised(Refusal.NO_TOKEN, told)

    async def _demand_own_line(self, request: RequestFacts, presented: tuple[str, ...]) -> None:
        """Refuse refresh tokens of others beside the access token of a session that lives.

        A neighbouring host can plant a refresh cookie, but no access cookie named ``__Host-``.
        """
        own = offered.strangers(self.sessions, self.settings, request, presented)
        if await self._one_lives(own):
            told = (
                "the refresh cookie is of another session than the access cookie: a neighbouring host may have set it"
            )
            self._teller.tell(EventName.REFRESH_REFUSED, _caller(request), reason=Refusal.OTHER_SESSION.value)
            raise Unauthorised(Refusal.OTHER_SESSION, told)

    async def _one_lives(self, handles: tuple[str, ...]) -> bool:
        return bool(handles) and len(await self.sessions.why_ended(handles)) < len(handles)

    async def _refresh_any(
        self, presented: tuple[str, ...], request: RequestFacts, *, require_anti_csrf: bool
    ) -> TokenPair:
        *others, last = offered.refreshable(self.sessions, self.settings, request, presented)
        for token in others:
            try:
                return await self._refresh_one(token, request, require_anti_csrf=require_anti_csrf)
            except Unauthorised:
                continue  # an old cookie of another session beside this one
        return await self._refresh_one(last, request, require_anti_csrf=require_anti_csrf)

    async def _refresh_one(self, token: str, request: RequestFacts, *, require_anti_csrf: bool) -> TokenPair:
        return await self.sessions.refresh(
            token,
            anti_csrf=transport.read_anti_csrf(request),
            require_anti_csrf=require_anti_csrf,
            attempt_key=transport.read_attempt(request),
            caller=_caller(request),
        )

    def _refresh_needs_token(self, request: RequestFacts) -> bool:
        """Check where a refresh comes from; says whether its anti-CSRF token has to decide."""
        if csrf.allows(request, self.settings, lambda: True):
            return self.settings.enable_anti_csrf and csrf.verdict(request, self.settings) is Trust.UNKNOWN
        raise self.cross_site(request)


def _caller(request: RequestFacts) -> Caller:
    return Caller(request.device, request.correlation_id)


def _wants_csrf_check(request: RequestFacts, *, asked: bool | None) -> bool:
    return csrf.is_state_changing(request.method) if asked is None else asked
