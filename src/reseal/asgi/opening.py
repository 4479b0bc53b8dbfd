"""When the sessions of an application are opened and closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from reseal._async.reseal import AsyncReseal
from reseal.asgi.connection import ASGIApp, Message, Receive, Scope, Send
from reseal.core.errors import ResealError
from reseal.forks import PerProcess
from reseal.log import LOGGER
from reseal.threads import ApplicationLoop

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class Opening:
    """Opens the sessions with the application, closes them with it, and says why the application cannot start."""

    def __init__(self, sessions: AsyncReseal, loop: ApplicationLoop) -> None:
        self._sessions = sessions
        self._loop = loop
        self._refusal: ResealError | None = None

    def around(self, lifespan: Lifespan) -> Lifespan:
        """Open the sessions before an application's own lifespan begins, and close them when it has ended."""

        @asynccontextmanager
        async def opened(app: Any) -> AsyncIterator[Any]:
            self._loop.enter()
            async with self._opened(), lifespan(app) as state:
                yield state

        return opened

    def explained(self, app: ASGIApp) -> ASGIApp:
        """Report to the server why the application cannot start in our words, in place of a traceback."""

        def call(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] != "lifespan":
                return app(scope, receive, send)

            def send_reason(message: Message) -> Awaitable[None]:
                if self._refusal is not None and message["type"] == "lifespan.startup.failed":
                    message = {**message, "message": f"Reseal cannot start: {self._refusal}"}
                return send(message)

            return app(scope, receive, send_reason)

        return call

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        self._refusal = None
        try:
            await self._sessions.open()
        except ResealError as error:
            self._refusal = error
            raise
        try:
            yield
        finally:
            await self._sessions.close()


class LazyOpening:
    """Opens the sessions at the application's start, or before the first request where nobody tells of the start."""

    def __init__(self, sessions: AsyncReseal, loop: ApplicationLoop) -> None:
        self._sessions = sessions
        self._loop = loop
        self._lock = PerProcess(asyncio.Lock)
        self._is_open = False

    async def open(self) -> None:
        """Open the sessions unless they are open. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        async with self._lock.here():
            if not self._is_open:
                self._loop.enter()
                await self._sessions.open()
                self._is_open = True

    async def close(self) -> None:
        """Close the sessions; the next request opens them again."""
        self._is_open = False
        await self._sessions.close()

    async def refusal(self) -> ResealError | None:
        """Open the sessions for a request; return why that cannot be done."""
        if not self._is_open:
            try:
                await self.open()
            except ResealError as error:
                LOGGER.error("the sessions cannot be opened: %s", error)
                return error
        return None
