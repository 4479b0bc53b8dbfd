"""Sessions for code in worker threads: the ``def`` routes of an application whose sessions live in an event loop.

The sync calls are those of :class:`reseal.Reseal`; what has to wait is carried out in the application's loop, so
there is one engine, one store and one set of keys in the process, for async and ``def`` routes alike.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from reseal._async.adapter import AsyncRequests
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession
from reseal._sync.adapter import RequestCalls
from reseal._sync.reseal import Reseal
from reseal._sync.session import Session
from reseal.clock import Clock
from reseal.core.access_token import Claims
from reseal.core.dpop import ProofChecker
from reseal.core.events import EventListener
from reseal.settings import Settings
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

P = ParamSpec("P")
T = TypeVar("T")
R_contra = TypeVar("R_contra", contravariant=True)


class ApplicationLoop:
    """The event loop in which an application runs."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def enter(self) -> None:
        """Note the loop that runs now as the application's."""
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it in this thread. Raises ``RuntimeError`` in the loop itself."""
        try:
            problem = self._problem()
            if self._loop is None or problem is not None:
                raise RuntimeError(problem)
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        finally:
            work.close()  # nothing is left to close, unless it was never begun

    def _problem(self) -> str | None:
        if self._loop is None or not self._loop.is_running():
            return "the application has not been started: reseal.sync works while it serves"
        if self._pid != os.getpid():  # the loop only seems to run
            return "this process was forked from the application's, whose event loop did not come along: use Reseal"
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        return "reseal.sync is for def routes and other threads; in async code await the same call of reseal itself"


def _in_loop(
    call: Callable[Concatenate[AsyncSessions, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_LoopSessions, P], T]:
    name = call.__name__

    def waiting(sessions: _LoopSessions, /, *args: P.args, **named: P.kwargs) -> T:
        work: Coroutine[Any, Any, T] = getattr(sessions.waited_for, name)(*args, **named)
        return sessions.loop.wait(work)

    return waiting


class _LoopSessions:
    """The sync port of sessions over the async one."""

    def __init__(self, sessions: Callable[[], AsyncSessions], loop: ApplicationLoop) -> None:
        self._sessions = sessions
        self.loop = loop

    @property
    def waited_for(self) -> AsyncSessions:
        return self._sessions()

    @property
    def settings(self) -> Settings:
        return self.waited_for.settings

    @property
    def proofs(self) -> ProofChecker:
        return self.waited_for.proofs

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        return self.waited_for.verify(access_token, expired_too=expired_too)

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        return self.waited_for.check_anti_csrf(claims, anti_csrf)

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        return self.waited_for.newest(presented)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return self.waited_for.jwks()

    open = _in_loop(AsyncSessions.open)
    close = _in_loop(AsyncSessions.close)
    keep_fresh = _in_loop(AsyncSessions.keep_fresh)
    rotate_keys = _in_loop(AsyncSessions.rotate_keys)
    create = _in_loop(AsyncSessions.create)
    refresh = _in_loop(AsyncSessions.refresh)
    check = _in_loop(AsyncSessions.check)
    reissue = _in_loop(AsyncSessions.reissue)
    bind = _in_loop(AsyncSessions.bind)
    elevate = _in_loop(AsyncSessions.elevate)
    get = _in_loop(AsyncSessions.get)
    why_ended = _in_loop(AsyncSessions.why_ended)
    issue_ticket = _in_loop(AsyncSessions.issue_ticket)
    redeem_ticket = _in_loop(AsyncSessions.redeem_ticket)
    list_user = _in_loop(AsyncSessions.list_user)
    list_ended = _in_loop(AsyncSessions.list_ended)
    update = _in_loop(AsyncSessions.update)
    rename = _in_loop(AsyncSessions.rename)
    revoke = _in_loop(AsyncSessions.revoke)
    revoke_user = _in_loop(AsyncSessions.revoke_user)
    end_before = _in_loop(AsyncSessions.end_before)
    preview_some = _in_loop(AsyncSessions.preview_some)
    read_events = _in_loop(AsyncSessions.read_events)
    acknowledge_events = _in_loop(AsyncSessions.acknowledge_events)
    list_cases = _in_loop(AsyncSessions.list_cases)
    read_case = _in_loop(AsyncSessions.read_case)
    close_case = _in_loop(AsyncSessions.close_case)
    erase_cases = _in_loop(AsyncSessions.erase_cases)
    end_by_provider, remember_client = _in_loop(AsyncSessions.end_by_provider), _in_loop(AsyncSessions.remember_client)


class _LoopRequests(Generic[R_contra]):
    """Requests whose bodies arrive in the loop."""

    def __init__(self, requests: AsyncRequests[R_contra], loop: ApplicationLoop) -> None:
        self.facts: Callable[[R_contra], RequestFacts] = requests.facts
        self.outbox: Callable[[R_contra], SessionHeaders] = requests.outbox
        self._requests = requests
        self._loop = loop

    def facts_with_body(self, request: R_contra) -> RequestFacts:
        return self._loop.wait(self._requests.facts_with_body(request))


class SyncCalls(RequestCalls[R_contra]):
    """The calls of an adapter for ``def`` routes: the same names and arguments, nothing to await."""

    def __init__(
        self,
        settings: Settings,
        sessions: Callable[[], AsyncSessions],
        clock: Clock | None,
        loop: ApplicationLoop,
        requests: AsyncRequests[R_contra],
        on_event: EventListener,
    ) -> None:
        ours = Reseal(settings, sessions=_LoopSessions(sessions, loop), clock=clock, on_event=on_event)
        super().__init__(ours, _LoopRequests(requests, loop))

    def of(self, session: AsyncSession) -> Session:
        """Return the same verified session with sync calls."""
        return Session(self.sessions.backend, *session.parts())
