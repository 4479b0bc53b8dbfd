# Generated from src/reseal/_async/reseal.py by tools/unasync.py; edit that file instead.
"""Sessions of browsers: the mission's calls, for any framework.

A request is a value (:class:`reseal.web.facts.RequestFacts`); what the response has to say collects in
:class:`reseal.web.headers.SessionHeaders`. The caller makes sure that these headers go out with the response,
also when a call raises: clearing cookies is part of a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Self, TypeVar, Unpack, overload

from reseal._sync import (
    changes,
    delivery,
    page_loads,
    refreshing,
    signing_in,
    signing_out,
    verification,
)
from reseal._sync.audit_actions import audited
from reseal._sync.awaited import Handler, awaited, demand_loop, marked
from reseal._sync.engine import Engine
from reseal._sync.impersonation import Impersonations
from reseal._sync.logout_clients import LogoutClients
from reseal._sync.ports import Sessions
from reseal._sync.session import Session
from reseal._sync.session_policies import SessionPolicies
from reseal._sync.stores import make_store
from reseal._sync.theft_cases import TheftCases
from reseal._sync.user_sessions import UserSessions
from reseal._sync.visitor_calls import VisitorSessions
from reseal.clock import Clock, SystemClock
from reseal.core import elevation, payload
from reseal.core.authentication import SignInOptions
from reseal.core.claims import ClaimCheck
from reseal.core.errors import StoreUnavailable
from reseal.core.events import EventListener, EventName
from reseal.core.model import SessionRecord
from reseal.core.outbox import Delivered
from reseal.event_emitter import EventEmitter
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web import bearer, cors
from reseal.web.context import RequestContext, caller_of
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

T = TypeVar("T")


def embedded(settings: Settings, clock: Clock | None, on_event: EventListener) -> Sessions:
    """Make an engine over the store that ``settings.database_uri`` names."""
    if not isinstance(settings, Settings):
        got = type(settings).__name__
        raise TypeError(f"Reseal takes Settings, not a {got}: write Reseal(Settings(api_domain=...))")
    store = audited(make_store(settings, clock), settings)
    return Engine(settings, store, clock=clock, on_event=on_event)


class Reseal(
    UserSessions,
    SessionPolicies,
    VisitorSessions,
    Impersonations,
    TheftCases,
    LogoutClients,
):
    """Everything an application calls. Use as ``with Reseal(settings) as reseal``, or open and close it.

    Without ``sessions`` it embeds them: see :func:`embedded`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: Sessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings = settings
        self.backend: Sessions = sessions or embedded(settings, clock, on_event)
        self.clock: Clock = clock or SystemClock()
        self._now = self.clock.wall
        self._events = EventEmitter(settings.scope, self.clock, on_event)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Open the store, load the keys. Raises ``ConfigurationError`` or ``StoreUnavailable``."""
        self.backend.open()

    def close(self) -> None:
        self.backend.close()

    def now(self) -> int:
        """Return the time (ms since the epoch) by which claims are checked, for a payload that ``FreshClaim`` reads."""
        return self.clock.wall()

    # -- one browser's session --------------------------------------------------------------------------------------

    @awaited
    def create_new_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[SignInOptions],
    ) -> Session:
        """Sign a user in: begin a session, end the one that this client held, and hand out the tokens.

        They go into cookies or headers as ``token_transfer_method`` says. The caller has authenticated ``user_id``.
        A request that a foreign page caused gets no cookies, or that page could sign the user in as somebody else:
        ``allow_cross_site`` is for the callback of an identity provider, after its ``state`` was checked, and for links
        in mails. ``policy``: the limits of this session, by their name in the settings or as a value. ``auth_time`` (in
        seconds), ``amr`` and ``acr`` say when and how the user was authenticated, for :class:`reseal.AuthenticatedBy`.
        ``provider``: the session at an identity provider, whose logout ends this one (:class:`reseal.ProviderSession`).
        Raises ``Unauthorised`` for a foreign page, ``InvalidInput``, ``StoreUnavailable``; then nothing was begun, and
        the client keeps what it had. Raises ``RuntimeError`` once the response has begun.
        """
        return signing_in.sign_in(
            self.backend,
            self.context(request, response),
            user_id,
            jwt_payload,
            session_data,
            **options,
        )

    @marked
    def get_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's third argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request, without I/O unless asked for it.

        ``enable_csrf_protection``: ``None`` checks the methods that change something; a token that came in a header
        needs no check. ``check_database`` asks the store whether the session has been revoked. Raises
        ``TryRefreshToken`` (tokens stay), ``Unauthorised`` (tokens cleared, where there were any),
        ``InvalidClaims``, ``StoreUnavailable``.
        """
        demand_loop("get_session", self)
        return verification.verify(
            self.backend,
            self.context(request, response),
            csrf_protection=enable_csrf_protection,
            check_database=check_database,
            claims=claims,
        )

    @awaited
    def refresh_session(self, request: RequestFacts, response: SessionHeaders) -> Session:
        """Exchange the client's refresh token for new tokens. Only by POST, only on the refresh path.

        They leave by the transport of the refresh token. Raises ``Unauthorised`` and ``TokenTheftDetected``
        (tokens cleared), ``StoreUnavailable`` (tokens stay), ``RuntimeError`` once the response has begun.
        """
        context = self.context(request, response)
        refreshed = refreshing.refresh(self.backend, context)
        return Session(self.backend, refreshed.claims, context, refreshed.via)

    @awaited
    def answer_refresh(self, request: RequestFacts, response: SessionHeaders) -> dict[str, object]:
        """Do what :meth:`refresh_session` does, and return the body of the answer.

        It is empty, except for a client that sent its refresh token in a JSON body: it gets the new ones in one.
        """
        refreshed = refreshing.refresh(self.backend, self.context(request, response))
        return {} if refreshed.in_body is None else bearer.answer(refreshed.in_body, self.clock.wall())

    @awaited
    def sign_out(self, request: RequestFacts, response: SessionHeaders) -> None:
        """End the client's session, also with an expired access token, and have the client forget it.

        Idempotent. A token that names no session, because its signing key was retired for instance, ends none: that
        raises ``TryRefreshToken``, and nothing is forgotten. Raises ``StoreUnavailable`` if the store could not record
        it: the client has then forgotten the session, but the session itself may live on. Raises ``Unauthorised`` for a
        foreign page, ``RuntimeError`` once the response has begun.
        """
        signing_out.sign_out(self.backend, self.context(request, response))

    @awaited
    def peek(
        self, request: RequestFacts, response: SessionHeaders, *, check_database: bool = False
    ) -> SignedIn[Session] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. Refuses nobody and refreshes nothing. Raises ``StoreUnavailable``."""
        return page_loads.peek(self.backend, self.context(request, response), check_database=check_database)

    def require_own_origin(self, request: RequestFacts) -> None:
        """Refuse a request that a foreign page caused: for endpoints that have no session yet, like the sign-in's.

        Without it a foreign page could sign the user in as somebody else. A client that is not a browser, and so
        names no origin, passes. Raises ``Unauthorised``.
        """
        context = self.context(request, SessionHeaders())
        if context.trust is Trust.HOSTILE:
            raise context.cross_site()

    def set_relevant_headers_for_options_api(self, request: RequestFacts, response: SessionHeaders) -> bool:
        """Answer a preflight (``OPTIONS``) of one of our origins; returns ``False`` for any other, and does nothing."""
        response.demand_unsent("set_relevant_headers_for_options_api")
        return cors.allow(request, self.settings, response)

    # -- any session, by its handle or its user: an id that is not text raises InvalidInput --------------------------

    @overload
    def get_session_data(self, session_handle: str) -> dict[str, Any]: ...
    @overload
    def get_session_data(self, session_handle: str, *, as_: type[T]) -> T: ...
    @awaited
    def get_session_data(self, session_handle: str, *, as_: type[Any] | None = None) -> Any:
        """Read a session's data: as a dict, or as a dataclass, ``TypedDict`` or msgspec ``Struct``.

        Raises ``Unauthorised`` if there is no such live session, ``GeneralError`` if the data does not fit ``as_``.
        """
        return changes.read_data(self.backend.get(session_handle), as_)

    @overload
    def change_session_data(
        self, session_handle: str, change: Callable[[dict[str, Any]], Mapping[str, object]]
    ) -> Mapping[str, object]: ...
    @overload
    def change_session_data(self, session_handle: str, change: Callable[[T], T], *, as_: type[T]) -> T: ...
    @awaited
    def change_session_data(
        self, session_handle: str, change: Callable[[Any], Any], *, as_: type[Any] | None = None
    ) -> Any:
        """Replace a session's data by what ``change`` makes of it. See :meth:`Session.change_session_data`."""

        def read() -> SessionRecord:
            return self.backend.get(session_handle)

        return changes.change_session_data(self.backend, read, change, as_=as_)

    @awaited
    def update_session_data(self, session_handle: str, session_data: Mapping[str, object]) -> None:
        """Replace a session's data, whatever another request has written. Raises ``InvalidInput``, ``Unauthorised``."""
        self.backend.update(session_handle, session_data=session_data)

    @awaited
    def get_jwt_payload(self, session_handle: str) -> dict[str, Any]:
        """Read the payload that a session's next access token will carry. Raises ``Unauthorised``."""
        return payload.decode(elevation.without((self.backend.get(session_handle)).jwt_payload))

    @awaited
    def update_jwt_payload(self, session_handle: str, jwt_payload: Mapping[str, object]) -> None:
        """Replace a session's JWT payload; it reaches the browser with the next access token."""
        self.backend.update(session_handle, jwt_payload=jwt_payload)

    @awaited
    def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Returns its ``kid``."""
        return self.backend.rotate_keys()

    @awaited
    def deliver_events(self, consumer: str, handler: Handler, *, limit: int = 100) -> Delivered:
        """Pass up to ``limit`` events of the outbox to ``handler``, oldest first, and acknowledge them.

        These are the events of all apps and tenants of the store that ``event_outbox`` has it keep. Each is delivered
        at least once, and again with the same ``id`` if the process ended before it was acknowledged. An exception in
        the handler is raised here after the events before it were acknowledged. One process at a time should deliver
        to a consumer. Raises ``InvalidInput``, ``StoreUnavailable``, ``ConfigurationError`` with ``Remote`` sessions.
        """
        return delivery.deliver(self.backend, consumer, handler, limit)

    # -- for adapters -----------------------------------------------------------------------------------------------

    def context(self, request: RequestFacts, response: SessionHeaders) -> RequestContext:
        """Join a request and the headers of its response, which depends on the session from now on."""
        response.touched = True
        return RequestContext(request, self.settings, *request.credentials, response, self._now, self._events)

    def observe(self, listener: EventListener) -> None:
        """Call another listener for each later event of a request, before that of the application."""
        self._events.add_listener(listener)

    def report(self, error: StoreUnavailable, request: RequestFacts) -> None:
        """Report to the listener that a request could not be served, because the store was unavailable."""
        self._events.emit(EventName.STORE_UNAVAILABLE, caller_of(request, self.settings), reason=str(error))
