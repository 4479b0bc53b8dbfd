"""Open connections, and the sessions on whose behalf they are open.

A WebSocket or an event stream outlives the request that opened it, and with it every check of a token. So its session
is followed by its handle: a connection ends at once when this process ends the session, and soon when another does.
A silent store ends nothing for a while; then connections are closed as unavailable, which signs nobody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from reseal._async.forwarding import AsyncForwardingSessions
from reseal._async.ports import AsyncSessions
from reseal.clock import Clock, SystemClock
from reseal.core.dpop import Shown
from reseal.core.errors import Refusal, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import NOBODY, Caller
from reseal.core.model import EndReason, TheftResponse
from reseal.core.tokens import TokenPair
from reseal.log import LOGGER

BLIND_LIMIT: Final = 300_000
"""Milliseconds for which a connection stays open though nobody can say whether its session lives."""


class Connection:
    """One open connection. It belongs to the task that opened it."""

    def __init__(self, handle: str, user_id: str, now: int) -> None:
        self.handle = handle
        self.user_id = user_id
        self.seen_at = now
        """When its session was last known to live, by this process's monotonic clock (ms)."""
        self._error: Unauthorised | StoreUnavailable | None = None
        self._limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Run a block, and cancel it when the session ends. Then raises ``Unauthorised`` or ``StoreUnavailable``."""
        try:
            async with asyncio.timeout(None if self._error is None else 0) as self._limit:
                yield
        except TimeoutError:
            if self._error is None:
                raise  # the block's own
        finally:
            self._limit = None
        if self._error is not None:
            raise self._error

    def end(self, error: Unauthorised | StoreUnavailable) -> None:
        """Cancel what is running now, or would next. The first error counts."""
        if self._error is not None:
            return
        self._error = error
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())


class Watch:
    """The open connections of one process. Its task runs as long as there are any."""

    def __init__(self, sessions: AsyncSessions, every_s: float, clock: Clock | None = None) -> None:
        self.sessions: AsyncSessions = _RevocationObserver(sessions, self)
        """The same sessions. What is ended through these is known here at once; everybody should use them."""
        self.pause: Callable[[float], Awaitable[object]] = asyncio.sleep
        """How the watch waits between two looks, in seconds; a test brings its own."""
        self._asked = sessions
        self._every_s = every_s
        self._clock = clock or SystemClock()
        self._open: dict[str, set[Connection]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_blind = False

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @asynccontextmanager
    async def following(self, handle: str, user_id: str) -> AsyncIterator[Connection]:
        """Follow the session of a connection while a block runs.

        It is looked up once now, when news of its end can no longer be missed. Raises ``Unauthorised`` or
        ``StoreUnavailable``.
        """
        connection = Connection(handle, user_id, self._clock.monotonic())
        self._open.setdefault(handle, set()).add(connection)
        try:
            reasons = await self._asked.why_ended((handle,))
            if handle in reasons:
                raise Unauthorised(reasons[handle])
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())
            yield connection
        finally:
            self._leave(connection)

    def report_ended(self, handles: Iterable[str], reason: Refusal) -> None:
        """End the connections of sessions that were just ended."""
        for handle in handles:
            for connection in tuple(self._open.get(handle, ())):
                connection.end(Unauthorised(reason))

    def report_theft(self, error: TokenTheftDetected) -> None:
        """End what the policy ends after a theft."""
        response = self._asked.settings.policy.theft_response
        if response is not TheftResponse.REPORT:
            self.report_ended((error.session_handle,), Refusal.THEFT)
        if response is TheftResponse.REVOKE_USER:
            of_user = [handle for handle, some in self._open.items() if any(c.user_id == error.user_id for c in some)]
            self.report_ended(of_user, Refusal.USER_REVOKED)

    def _leave(self, connection: Connection) -> None:
        followed = self._open[connection.handle]
        followed.discard(connection)
        if not followed:
            del self._open[connection.handle]
        if not self._open and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await self.pause(self._every_s)
            await self._look()

    async def _look(self) -> None:
        """Ask once for all sessions that are followed."""
        asked = {handle: tuple(connections) for handle, connections in self._open.items()}
        now = self._clock.monotonic()
        try:
            reasons = await self._asked.why_ended(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, these connections are not being checked
            self._be_blind(error, [each for connections in asked.values() for each in connections], now)
            return
        self._is_blind = False
        for handle, connections in asked.items():
            for connection in connections:
                if handle in reasons:
                    connection.end(Unauthorised(reasons[handle]))
                else:
                    connection.seen_at = now

    def _be_blind(self, error: Exception, connections: Iterable[Connection], now: int) -> None:
        if not self._is_blind:
            LOGGER.warning("the sessions of open connections cannot be looked up: %s", type(error).__name__)
        self._is_blind = True
        for connection in connections:
            if now - connection.seen_at >= BLIND_LIMIT:
                connection.end(StoreUnavailable())


class _RevocationObserver(AsyncForwardingSessions):
    """Sessions that report to a watch those that were ended through them."""

    def __init__(self, inner: AsyncSessions, watch: Watch) -> None:
        super().__init__(inner)
        self._watch = watch
        # Every request calls these: they are taken over, so that they cost nothing more here.
        self.keep_fresh = inner.keep_fresh  # type: ignore[method-assign]
        self.verify = inner.verify  # type: ignore[method-assign]
        self.newest = inner.newest  # type: ignore[method-assign]

    async def revoke(
        self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED, note: str | None = None
    ) -> tuple[str, ...]:
        ended = await super().revoke(handles, reason, note)
        self._watch.report_ended(ended, Refusal(reason.value))
        return ended

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        ended = await super().revoke_user(user_id, keep=keep)
        self._watch.report_ended(ended, Refusal.USER_REVOKED)
        return ended

    async def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        try:
            return await self.inner.refresh(
                presented,
                anti_csrf=anti_csrf,
                require_anti_csrf=require_anti_csrf,
                attempt_key=attempt_key,
                proof=proof,
                caller=caller,
            )
        except TokenTheftDetected as error:
            self._watch.report_theft(error)
            raise
