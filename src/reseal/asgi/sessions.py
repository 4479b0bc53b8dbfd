"""What the adapters of ASGI frameworks have in common: the calls, and the guards of what outlives a request."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from reseal import guards
from reseal._async.adapter import AsyncRequestCalls, AsyncRequests
from reseal._async.endpoints import AsyncEndpoints
from reseal._async.ports import AsyncSessions
from reseal._async.reseal import AsyncReseal, embedded
from reseal._async.session import AsyncSession
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError, TryRefreshToken
from reseal.core.events import EventListener
from reseal.settings import Settings
from reseal.threads import ApplicationLoop, SyncCalls
from reseal.watch import Watch
from reseal.web import places
from reseal.web.facts import RequestFacts
from reseal.web.responses import WebResponse

R = TypeVar("R")
T = TypeVar("T")


class ApplicationSessions(AsyncRequestCalls[R]):
    """The sessions of one application that runs in an event loop, for requests of one framework."""

    def __init__(
        self,
        settings: Settings,
        requests: AsyncRequests[R],
        sessions: AsyncSessions | None,
        clock: Clock | None,
        on_event: EventListener,
    ) -> None:
        self.settings: Settings = settings
        inner = sessions or embedded(settings, clock, on_event)
        self.watch: Watch = Watch(inner, settings.session_check_interval, clock)
        """The open WebSockets and event streams of this process."""
        observed = AsyncReseal(settings, sessions=self.watch.sessions, clock=clock, on_event=on_event)
        super().__init__(observed, requests)
        self._loop = ApplicationLoop()
        self.sync: SyncCalls[R] = SyncCalls(
            settings, lambda: self.sessions.backend, clock, self._loop, requests, on_event
        )
        """The same calls for code in other threads, such as ``def`` routes."""
        self._endpoints = AsyncEndpoints(observed)
        self._has_routes = True

    def guard_events(self, session: AsyncSession, events: AsyncIterable[T]) -> AsyncIterator[T | str]:
        """Pass on the events of a stream (SSE, or any other text) for as long as the session lives.

        If the session ends, the last event is ``session-ended``, with the reason.
        """
        return guards.guarded_events(self.watch, session, aiter(events), self.settings)

    def _guarded(
        self,
        socket: guards.Socket,
        request: RequestFacts,
        subprotocols: Iterable[str],
        claims: Iterable[ClaimCheck],
        gone: tuple[type[Exception], ...] = (),
    ) -> AbstractAsyncContextManager[AsyncSession]:
        return guards.guarded(
            self.sessions, self.watch, socket, request, subprotocols=subprotocols, claims=claims, gone=gone
        )

    def _answer_to(self, request: R, error: ResealError, target: str) -> WebResponse:
        """Answer an error: the load of a page, whose path and query are ``target``, by refreshing first."""
        read = self._requests.facts(request)
        if self._has_routes and isinstance(error, TryRefreshToken):
            outbox = self._requests.outbox(request)
            public = places.public(target, read, self.settings)
            if (first := self._endpoints.before_page_load(read, outbox, error, public)) is not None:
                return first
        return self._endpoints.of_error(read, error)
