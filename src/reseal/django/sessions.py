"""The sessions of a Django project: one object a process, made from ``RESEAL`` when it is first needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar, Unpack, overload

from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from reseal._sync.device_endpoints import HANDLE
from reseal._sync.endpoints import Endpoint, Endpoints
from reseal._sync.page_loads import admit
from reseal._sync.ports import Sessions
from reseal._sync.reseal import Reseal as SyncReseal
from reseal._sync.reseal import embedded
from reseal._sync.session import Session as SyncSession
from reseal.clock import Clock
from reseal.core.authentication import AuthenticationOptions, SignInOptions
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ConfigurationError, ResealError
from reseal.core.events import EventListener
from reseal.django import conf, requests
from reseal.django.conf import Config
from reseal.django.signals import announce
from reseal.django.visitors import VisitorCalls
from reseal.django.waiting import WouldWait, in_thread, outside_loops
from reseal.forks import PerProcess, new_lock
from reseal.settings import Settings
from reseal.web import places
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.presented import Presented
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from reseal.web.responses import WebResponse
from reseal.wsgi import Opening

T = TypeVar("T")


class Session(SyncSession):
    """One verified session, during one request. In async code the calls that wait have twins with an ``a`` in front."""

    __slots__ = ()

    @overload
    async def aget_session_data(self) -> dict[str, Any]: ...
    @overload
    async def aget_session_data(self, *, as_: type[T]) -> T: ...
    async def aget_session_data(self, *, as_: type[Any] | None = None) -> Any:
        """See :meth:`reseal.Session.get_session_data`."""
        call: Callable[..., Any] = self.get_session_data
        return await in_thread(call)(as_=as_)

    @overload
    async def achange_session_data(
        self, change: Callable[[dict[str, Any]], Mapping[str, object]]
    ) -> Mapping[str, object]: ...
    @overload
    async def achange_session_data(self, change: Callable[[T], T], *, as_: type[T]) -> T: ...
    async def achange_session_data(self, change: Callable[[Any], Any], *, as_: type[Any] | None = None) -> Any:
        """See :meth:`reseal.Session.change_session_data`. ``change`` is called in another thread."""
        call: Callable[..., Any] = self.change_session_data
        return await in_thread(call)(change, as_=as_)

    async def aupdate_session_data(self, session_data: Mapping[str, object]) -> None:
        """See :meth:`reseal.Session.update_session_data`."""
        await in_thread(self.update_session_data)(session_data)

    async def aupdate_jwt_payload(self, jwt_payload: Mapping[str, object]) -> None:
        """See :meth:`reseal.Session.update_jwt_payload`."""
        await in_thread(self.update_jwt_payload)(jwt_payload)

    async def aelevate(self, *, for_: int, **authentication: Unpack[AuthenticationOptions]) -> None:
        """See :meth:`reseal.Session.elevate`."""
        await in_thread(self.elevate)(for_=for_, **authentication)

    async def acreate_ticket(self, purpose: str) -> str:
        """See :meth:`reseal.Session.create_ticket`."""
        return await in_thread(self.create_ticket)(purpose)

    async def arevoke_session(self) -> None:
        """See :meth:`reseal.Session.revoke_session`."""
        await in_thread(self.revoke_session)()

    async def arevoke_other_sessions(self) -> tuple[str, ...]:
        """See :meth:`reseal.Session.revoke_other_sessions`."""
        return await in_thread(self.revoke_other_sessions)()


class _Requests:
    """How a request of Django is read."""

    facts = staticmethod(requests.facts)
    facts_with_body = staticmethod(requests.facts_with_body)
    outbox = staticmethod(requests.outbox)


class Reseal(VisitorCalls["Session"]):
    """The calls for requests of Django, sync; :func:`get_reseal` returns the project's.

    In async code :meth:`aget_session` and the other twins are awaited.
    """

    def __init__(
        self,
        config: Config,
        *,
        sessions: Sessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = announce,
    ) -> None:
        settings = config.settings
        backend = outside_loops(sessions or embedded(settings, clock, on_event))
        ours = SyncReseal(settings, sessions=backend, clock=clock, on_event=on_event)
        super().__init__(ours, _Requests())
        self.settings: Settings = settings
        self.refresh_pages: bool = config.refresh_pages
        """Whether a page that is opened with an expired access token is answered by refreshing first."""
        self._opening = Opening(ours)
        self._endpoints = Endpoints(ours)
        self.paths: frozenset[str] = frozenset(endpoint.path for endpoint in self._endpoints.table())
        """The paths of the ready-made endpoints within the application."""
        self._by_place = {
            (method, endpoint.path): endpoint for endpoint in self._endpoints.table() for method in endpoint.methods
        }

    def open(self) -> None:
        """Open the store unless it is open. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        try:
            self._opening.ensure()
        except ConfigurationError as error:
            raise conf.explained(error) from None

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        self._opening.close()

    def has_endpoint(self, path: str) -> bool:
        """Return whether a ready-made endpoint answers this path of the application."""
        return path in self.paths or f"{path.rpartition('/')[0]}/{HANDLE}" in self.paths

    def endpoints(self) -> list[Endpoint]:
        """List the ready-made endpoints."""
        return self._endpoints.table()

    def answer(self, request: HttpRequest, path: str) -> HttpResponse:
        """Answer a request to the ready-made endpoint at this path of the application."""
        endpoint = self._by_place.get((request.method or "", path))
        if endpoint is None:
            return HttpResponseNotAllowed(sorted(method for method, place in self._by_place if place == path))
        self.open()
        read = requests.facts_with_body(request) if endpoint.reads_body else requests.facts(request)
        return requests.response_of(endpoint.answer(read, requests.outbox(request)))

    def answer_error(self, read: RequestFacts, error: ResealError) -> WebResponse:
        """Return what answers an error; that the store was unavailable is reported."""
        return self._endpoints.of_error(read, error)

    def admit(self, read: RequestFacts, claims: Iterable[ClaimCheck]) -> Session:
        """Find the session of a WebSocket's handshake, which sets no cookies. Raises what a refusal raises."""
        self.open()
        outbox = SessionHeaders()
        session = admit(self.sessions.backend, self.sessions.context(read, outbox), claims)
        outbox.sent = True
        return self._own(session)

    def shows_token(self, request: HttpRequest) -> bool:
        """Return whether a request shows an access token at all. What it is answered depends on that from now on."""
        requests.outbox(request).touch()
        read = requests.facts(request)
        return Presented(read, self.settings, *read.credentials).has_access

    def refresh_first(self, request: HttpRequest) -> HttpResponse:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made endpoints.

        A visitor who came by a link of another site is asked to press a button.
        """
        read = requests.facts(request)
        target = places.public(request.get_full_path_info(), read, self.settings)
        return requests.response_of(self._endpoints.page_before(read, requests.outbox(request), target))

    def before_page_load(self, request: HttpRequest, error: ResealError) -> HttpResponse | None:
        """Answer a page load whose access token has ended: a page by :meth:`refresh_first`, a form by repeating it.

        Returns ``None`` for a script's call and for another error. Needs the ready-made endpoints.
        """
        read = requests.facts(request)
        target = places.public(request.get_full_path_info(), read, self.settings)
        first = self._endpoints.before_page_load(read, requests.outbox(request), error, target)
        if first is None:
            return None
        requests.read_to_the_end(request)
        return requests.response_of(first)

    def create_new_session(
        self,
        request: HttpRequest,
        user_id: object,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[SignInOptions],
    ) -> Session:
        """Sign a user in, whom the caller has authenticated: a user object of Django, or an id.

        See :meth:`reseal.Reseal.create_new_session`.
        """
        self.open()
        return self._own(super().create_new_session(request, id_of(user_id), jwt_payload, session_data, **options))

    def get_session(
        self,
        request: HttpRequest,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request. See :meth:`reseal.Reseal.get_session`."""
        self.open()
        return self._own(
            super().get_session(request, enable_csrf_protection, check_database=check_database, claims=claims)
        )

    def refresh_session(self, request: HttpRequest) -> Session:
        """Exchange the refresh token of a request, in a view of your own. See :meth:`reseal.Reseal.refresh_session`."""
        self.open()
        return self._own(super().refresh_session(request))

    def sign_out(self, request: HttpRequest) -> None:
        """End the session of a request, for a view of your own. See :meth:`reseal.Reseal.sign_out`."""
        self.open()
        super().sign_out(request)

    def peek(
        self, request: HttpRequest, *, check_database: bool = False
    ) -> SignedIn[SyncSession] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. See :meth:`reseal.Reseal.peek`."""
        self.open()
        found = super().peek(request, check_database=check_database)
        return SignedIn(self._own(found.session)) if isinstance(found, SignedIn) else found

    async def acreate_new_session(
        self,
        request: HttpRequest,
        user_id: object,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[SignInOptions],
    ) -> Session:
        """Sign a user in, in async code. See :meth:`create_new_session`."""
        return await in_thread(self.create_new_session)(request, user_id, jwt_payload, session_data, **options)

    async def aget_session(
        self,
        request: HttpRequest,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request, in async code: without a thread, unless the store has to be asked."""
        checks = tuple(claims)

        def get() -> Session:
            return self.get_session(request, enable_csrf_protection, check_database=check_database, claims=checks)

        return await _without_waiting(get)

    async def arefresh_session(self, request: HttpRequest) -> Session:
        """Exchange the refresh token of a request, in async code. See :meth:`refresh_session`."""
        return await in_thread(self.refresh_session)(request)

    async def asign_out(self, request: HttpRequest) -> None:
        """End the session of a request, in async code. See :meth:`sign_out`."""
        await in_thread(self.sign_out)(request)

    async def apeek(
        self, request: HttpRequest, *, check_database: bool = False
    ) -> SignedIn[SyncSession] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered, in async code. See :meth:`peek`."""
        return await _without_waiting(lambda: self.peek(request, check_database=check_database))

    def _own(self, session: SyncSession) -> Session:
        return Session(self.sessions.backend, *session.parts())


def id_of(user: object) -> str:
    """Return the id by which sessions know a user: of a user object of Django its primary key, as text."""
    meta = getattr(user, "_meta", None)
    if meta is not None:
        return str(meta.pk.value_to_string(user))
    return user if isinstance(user, str) else str(user)


async def _without_waiting(call: Callable[[], T]) -> T:
    """Make a call here if it does not wait, else in a thread: a call that would wait has done nothing yet."""
    try:
        return call()
    except WouldWait:
        wait: Callable[[], Awaitable[T]] = in_thread(call)
        return await wait()


exchanged: Final[Signal] = Signal()
"""Sent when other sessions have taken the place of the project's, as in tests."""


class _Current:
    """The object of this process. A forked child goes on with its parent's, which opens its own connections."""

    def __init__(self) -> None:
        self._reseal: Reseal | None = None
        self._lock = PerProcess(new_lock)

    def get(self) -> Reseal:
        found = self._reseal
        if found is not None:
            return found
        with self._lock.here():
            if self._reseal is None:
                self._reseal = Reseal(conf.load())
            return self._reseal

    def exchange(self, reseal: Reseal | None) -> Reseal | None:
        """Put another one in its place, and return the former."""
        with self._lock.here():
            former, self._reseal = self._reseal, reseal
        exchanged.send(Reseal)
        return former


_CURRENT: Final = _Current()


def configured() -> Reseal:
    """Return the sessions of this project; the store is opened by the first call that needs it.

    Raises ``ConfigurationError``.
    """
    return _CURRENT.get()


def get_reseal() -> Reseal:
    """Return the sessions of this project, with their store open.

    Raises ``ConfigurationError``, ``StoreUnavailable``, and ``SynchronousOnlyOperation`` in async code while the store
    is not open.
    """
    reseal = _CURRENT.get()
    reseal.open()
    return reseal


def follow(*, setting: str, **_: object) -> None:
    """Forget the sessions when a setting changes of which they are made (``override_settings``)."""
    if setting in conf.FOLLOWED:
        _close(_CURRENT.exchange(None))


@contextmanager
def using(reseal: Reseal) -> Iterator[Reseal]:
    """For tests: have these be the sessions of the project within a block."""
    former = _CURRENT.exchange(reseal)
    try:
        yield reseal
    finally:
        _CURRENT.exchange(former)
        reseal.close()


@contextmanager
def overridden(*, clock: Clock | None = None, **changes: object) -> Iterator[Reseal]:
    """For tests: use sessions with this clock, and other values of ``RESEAL``, within a block."""
    with using(Reseal(conf.load(**changes), clock=clock)) as reseal:
        yield reseal


def _close(reseal: Reseal | None) -> None:
    if reseal is not None:
        reseal.close()
