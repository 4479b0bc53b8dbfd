"""Sessions for an application of ASGI of which no more is known."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeAlias

from reseal import guards, interfaces
from reseal._async.ports import AsyncSessions
from reseal._async.routing import AsyncRouting
from reseal._async.session import AsyncSession
from reseal.asgi.connection import ASGIApp, Connection, Receive, Scope, ScopeOnly, Send, facts, outbox, target
from reseal.asgi.opening import LazyOpening
from reseal.asgi.sessions import ApplicationSessions
from reseal.asgi.wrapping import REFUSAL, Wrapped
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.core.events import EventListener
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web import places
from reseal.web.cors import OwnOrigins
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

Request: TypeAlias = Connection | Scope


class Requests:
    """How a request is read of which only the scope is known."""

    def facts(self, request: Request) -> RequestFacts:
        return facts(scoped(request))

    async def facts_with_body(self, request: Request) -> RequestFacts:
        return facts(scoped(request))  # the body is the application's; the ready-made routes read it

    def outbox(self, request: Request) -> SessionHeaders:
        return outbox(usable(request))


def scoped(request: Request) -> ScopeOnly:
    """Return the scope of a request. Raises ``TypeError`` for anything else."""
    scope: object = getattr(request, "scope", request)
    if isinstance(scope, dict) and "type" in scope:
        return ScopeOnly(scope)
    raise TypeError(
        f"a request of ASGI is a scope, or an object with .scope; {type(request).__name__} is neither. For an "
        "application of WSGI use reseal.wsgi.Reseal"
    )


def usable(request: Request) -> ScopeOnly:
    """Return the scope of a request for which the sessions are open. Raises what kept them from being opened."""
    found = scoped(request)
    if refusal := found.scope.get(REFUSAL):
        raise refusal
    return found


class Socket(guards.Socket):
    """A WebSocket without a framework, for :meth:`Reseal.guard`. Nothing has been received from it yet."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def accept(self, subprotocol: str | None) -> None:
        await self._receive()  # that the page asks for it
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})

    async def close(self, code: int, reason: str) -> None:
        with suppress(OSError):  # the page has gone
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


class WrappedSessions(ApplicationSessions[Request]):
    """The sessions of an application that is wrapped. Opened by its lifespan, or before the first request."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        super().__init__(settings, Requests(), sessions, clock, on_event)
        self._opening = LazyOpening(self.sessions, self._loop)

    def wrap(
        self,
        app: ASGIApp,
        *,
        routes: bool = True,
        cors: bool = False,
        allow_headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
    ) -> ASGIApp:
        """Put the sessions around an application: lifespan, response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK. ``cors``
        lets the pages of ``settings.origins``, and no others, call the application with their session;
        ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need. Raises ``TypeError``
        for an application of WSGI, or one that is wrapped already.
        """
        if isinstance(app, Wrapped):
            raise TypeError("this application is wrapped already: call reseal.wrap(app) once, after other middleware")
        interfaces.demand(app, 3, "ASGI")
        self._has_routes = routes
        return Wrapped(
            app,
            self._opening,
            self.answer,
            AsyncRouting(self._endpoints) if routes else None,
            OwnOrigins(self.settings, allow_headers, expose_headers) if cors else None,
        )

    async def open(self) -> None:
        """Open the sessions, where that is to happen before the first request and the server knows no lifespan.

        Raises ``ConfigurationError``, ``StoreUnavailable``.
        """
        await self._opening.open()

    async def close(self) -> None:
        """Close the sessions, where the server knows no lifespan. The next request opens them again."""
        await self._opening.close()

    def answer(self, request: Request, error: ResealError) -> WebResponse:
        """Answer an error of these calls, where the framework does not let it through to the wrapped application.

        The load of a page whose access token has ended is answered by refreshing first.
        """
        found = scoped(request)
        if found.scope["type"] == "websocket":
            return self._endpoints.of_error(facts(found), error)
        return self._answer_to(request, error, target(found))

    def page_before(self, request: Request) -> WebResponse:
        """Make the page that refreshes the session and comes back."""
        read, headers = self._read(request)
        public = places.public(target(scoped(request)), read, self.settings)
        return self._endpoints.page_before(read, headers, public)


class Reseal(WrappedSessions):
    """The sessions of one application, whatever its framework."""

    def guard(
        self,
        request: Request,
        socket: guards.Socket,
        *,
        subprotocols: Iterable[str] = (),
        claims: Iterable[ClaimCheck] = (),
        gone: tuple[type[Exception], ...] = (),
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """Accept a WebSocket for a session, and run the block of ``async with`` for as long as the session lives.

        ``socket`` is the framework's, if it has ``accept(subprotocol)`` and ``close(code, reason)``, or a
        :class:`Socket`. ``gone`` are the exceptions by which the framework says that the page has gone: they end the
        block. The handshake shows a ticket for this path, a token in ``Authorization``, or a cookie from a page of
        ours; otherwise it is refused. When the session ends, the block is cancelled and the WebSocket closed with code
        4001; where the store stays away for minutes, with 1013. The first of ``subprotocols`` that the page offers is
        chosen.
        """
        return self._guarded(socket, facts(usable(request)), subprotocols, claims, gone)

    def refresh_first(self, request: Request) -> WebResponse:
        """Make the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        return self.page_before(request)
