"""Sessions for an application of WSGI of which no more is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from reseal import interfaces
from reseal._sync.adapter import RequestCalls
from reseal._sync.endpoints import Endpoints
from reseal._sync.ports import Sessions
from reseal._sync.reseal import Reseal as CoreReseal
from reseal._sync.routing import Routing
from reseal.clock import Clock
from reseal.core.errors import ResealError, TryRefreshToken
from reseal.core.events import EventListener
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web import places
from reseal.web.cors import OwnOrigins
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse
from reseal.wsgi.environ import Environ, WSGIApp, facts, facts_with_body, outbox, target
from reseal.wsgi.opening import Opening
from reseal.wsgi.wrapping import REFUSAL, Wrapped


class Environs(Protocol):
    """A request of a framework that is built on WSGI."""

    @property
    def environ(self) -> Environ: ...


Request: TypeAlias = Environs | Environ


class Requests:
    """How a request is read of which only the environ is known."""

    def facts(self, request: Request) -> RequestFacts:
        return facts(environ_of(request))

    def facts_with_body(self, request: Request) -> RequestFacts:
        return facts_with_body(environ_of(request))

    def outbox(self, request: Request) -> SessionHeaders:
        environ = environ_of(request)
        if refusal := environ.get(REFUSAL):
            raise refusal
        return outbox(environ)


def environ_of(request: Request) -> Environ:
    """Return the environ of a request. Raises ``TypeError`` for anything else."""
    environ: object = getattr(request, "environ", None) or getattr(request, "env", request)  # env: Falcon
    if isinstance(environ, dict) and "REQUEST_METHOD" in environ:
        return environ
    raise TypeError(
        f"a request of WSGI is an environ, or an object with .environ; {type(request).__name__} is neither. For an "
        "application of ASGI use reseal.asgi.Reseal"
    )


class Reseal(RequestCalls[Request]):
    """The sessions of one application. Opened before the first request of each process."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: Sessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings: Settings = settings
        super().__init__(CoreReseal(settings, sessions=sessions, clock=clock, on_event=on_event), Requests())
        self._opening = Opening(self.sessions)
        self._endpoints = Endpoints(self.sessions)
        self._has_routes = True

    def wrap(
        self,
        app: WSGIApp,
        *,
        routes: bool = True,
        cors: bool = False,
        allow_headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
    ) -> WSGIApp:
        """Put the sessions around an application: response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK. ``cors``
        lets the pages of ``settings.origins``, and no others, call the application with their session;
        ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need. Raises ``TypeError``
        for an application of ASGI, or one that is wrapped already.
        """
        if isinstance(app, Wrapped):
            raise TypeError("this application is wrapped already: call reseal.wrap(app) once, after other middleware")
        interfaces.demand(app, 2, "WSGI")
        self._has_routes = routes
        return Wrapped(
            app,
            self._opening,
            self.answer,
            Routing(self._endpoints) if routes else None,
            OwnOrigins(self.settings, allow_headers, expose_headers) if cors else None,
        )

    def open(self) -> None:
        """Open the sessions, where that is to happen before the first request, or for a script.

        Raises ``ConfigurationError``, ``StoreUnavailable``.
        """
        self._opening.ensure()

    def close(self) -> None:
        """Close the sessions, when the process ends or a test is over. The next request opens them again."""
        self._opening.close()

    def refresh_first(self, request: Request) -> WebResponse:
        """Make the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        read, headers = self._read(request)
        public = places.public(target(environ_of(request)), read, self.settings)
        return self._endpoints.page_before(read, headers, public)

    def answer(self, request: Request, error: ResealError) -> WebResponse:
        """Answer an error of these calls, where the framework does not let it through to the wrapped application.

        The load of a page whose access token has ended is answered by refreshing first.
        """
        read = self._requests.facts(request)
        if self._has_routes and isinstance(error, TryRefreshToken):
            outbox = self._requests.outbox(request)
            public = places.public(target(environ_of(request)), read, self.settings)
            if (first := self._endpoints.before_page_load(read, outbox, error, public)) is not None:
                return first
        return self._endpoints.of_error(read, error)
