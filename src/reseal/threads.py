"""Sessions for code in worker threads: the ``def`` routes of an application whose sessions live in an event loop.

The sync calls are those of :class:`reseal.Reseal`; what has to wait is carried out in the application's loop, so
there is one engine, one store and one set of keys in the process, whatever the colour of a route.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession
from reseal._sync.impersonation import HALF_AN_HOUR
from reseal._sync.reseal import Reseal
from reseal._sync.session import Session
from reseal.clock import Clock
from reseal.core.access_token import Claims
from reseal.core.claims import ClaimCheck
from reseal.core.events import EventListener
from reseal.settings import Settings
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

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
    get = _in_loop(AsyncSessions.get)
    why_ended = _in_loop(AsyncSessions.why_ended)
    issue_ticket = _in_loop(AsyncSessions.issue_ticket)
    redeem_ticket = _in_loop(AsyncSessions.redeem_ticket)
    list_user = _in_loop(AsyncSessions.list_user)
    update = _in_loop(AsyncSessions.update)
    revoke = _in_loop(AsyncSessions.revoke)
    revoke_user = _in_loop(AsyncSessions.revoke_user)
    end_before = _in_loop(AsyncSessions.end_before)


class Requests(Protocol[R_contra]):
    """How a framework's request is read and answered."""

    def facts(self, request: R_contra) -> RequestFacts: ...
    async def facts_with_body(self, request: R_contra) -> RequestFacts: ...
    def outbox(self, request: R_contra) -> SessionHeaders: ...


class SyncCalls(Generic[R_contra]):
    """The calls of an adapter for ``def`` routes: the same names and arguments, nothing to await."""

    def __init__(
        self,
        settings: Settings,
        sessions: Callable[[], AsyncSessions],
        clock: Clock | None,
        loop: ApplicationLoop,
        requests: Requests[R_contra],
        on_event: EventListener,
    ) -> None:
        self._loop = loop
        self._requests = requests
        self.anywhere: Reseal = Reseal(settings, sessions=_LoopSessions(sessions, loop), clock=clock, on_event=on_event)
        """The same sessions without a request: by handle and by user."""

    def create_new_session(
        self,
        request: R_contra,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        allow_cross_site: bool = False,
    ) -> Session:
        """Sign a user in, whom the caller has authenticated. See :meth:`reseal.Reseal.create_new_session`."""
        facts, outbox = self._read(request)
        return self.anywhere.create_new_session(
            facts, outbox, user_id, jwt_payload, session_data, allow_cross_site=allow_cross_site
        )

    def get_session(
        self,
        request: R_contra,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request. See :meth:`reseal.Reseal.get_session`."""
        facts, outbox = self._read(request)
        return self.anywhere.get_session(
            facts, outbox, enable_csrf_protection, check_database=check_database, claims=claims
        )

    def refresh_session(self, request: R_contra) -> Session:
        """Exchange the refresh token of a request. See :meth:`reseal.Reseal.refresh_session`."""
        return self.anywhere.refresh_session(*self._read_whole(request))

    def answer_refresh(self, request: R_contra) -> dict[str, object]:
        """Do the same, and return the body of the answer. See :meth:`reseal.Reseal.answer_refresh`."""
        return self.anywhere.answer_refresh(*self._read_whole(request))

    def sign_out(self, request: R_contra) -> None:
        """End the session of a request. See :meth:`reseal.Reseal.sign_out`."""
        self.anywhere.sign_out(*self._read(request))

    def impersonate(
        self,
        request: R_contra,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        reason: str,
        at_most: int = HALF_AN_HOUR,
    ) -> Session:
        """Let the user of a request act as another one for a while. See :meth:`reseal.Reseal.impersonate`."""
        facts, outbox = self._read(request)
        return self.anywhere.impersonate(
            facts, outbox, user_id, jwt_payload, session_data, reason=reason, at_most=at_most
        )

    def stop_impersonating(self, request: R_contra) -> None:
        """Go back to the user's own session. See :meth:`reseal.Reseal.stop_impersonating`."""
        self.anywhere.stop_impersonating(*self._read(request))

    def peek(self, request: R_contra, *, check_database: bool = False) -> SignedIn[Session] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. See :meth:`reseal.Reseal.peek`."""
        return self.anywhere.peek(*self._read(request), check_database=check_database)

    def require_own_origin(self, request: R_contra) -> None:
        """Refuse a foreign page where there is no session yet. See :meth:`reseal.Reseal.require_own_origin`."""
        self.anywhere.require_own_origin(self._requests.facts(request))

    def of(self, session: AsyncSession) -> Session:
        """Return the same verified session with sync calls."""
        return Session(self.anywhere.sessions, *session.parts())

    def _read(self, request: R_contra) -> tuple[RequestFacts, SessionHeaders]:
        return self._requests.facts(request), self._requests.outbox(request)

    def _read_whole(self, request: R_contra) -> tuple[RequestFacts, SessionHeaders]:
        return self._loop.wait(self._requests.facts_with_body(request)), self._requests.outbox(request)
