"""How requests reach what is tested: an ASGI or WSGI application in this process, or a server at a URL.

Applications are started and stopped with the first and the last transport that uses them; those of ASGI by their
lifespan, in the caller's event loop or, for a caller without one, in a thread of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Self, TypeAlias

from reseal.testing.needs import httpx

Target: TypeAlias = str | Callable[..., Any] | httpx.BaseTransport | httpx.AsyncBaseTransport
"""The URL of a server, an application of ASGI or WSGI, or a transport of httpx to anything else."""

_ASGI_ARGUMENTS: Final = 3
_WSGI_ARGUMENTS: Final = 2
_START_LIMIT_S: Final = 60


def transport_to(target: Target, *, raise_errors: bool = True) -> httpx.BaseTransport:
    """Make the transport of a sync client. ``raise_errors``: exceptions of an application reach the caller."""
    if isinstance(target, str):
        return httpx.HTTPTransport()
    if isinstance(target, httpx.BaseTransport):
        return borrowed(target)
    if isinstance(target, httpx.AsyncBaseTransport):
        raise TypeError("an async transport needs an AsyncBrowser, or the simulators that begin with async_")
    if is_asgi(target):
        return _ThreadedASGI(target, raise_errors=raise_errors)
    return httpx.WSGITransport(target, raise_app_exceptions=raise_errors)


def async_transport_to(target: Target, *, raise_errors: bool = True) -> httpx.AsyncBaseTransport:
    """Make the transport of an async client."""
    if isinstance(target, str):
        return httpx.AsyncHTTPTransport()
    if isinstance(target, httpx.AsyncBaseTransport):
        return async_borrowed(target)
    if isinstance(target, httpx.BaseTransport):
        raise TypeError("a sync transport needs a Browser, or the simulators without async_")
    if is_asgi(target):
        return _LoopASGI(target, raise_errors=raise_errors)
    return _ThreadedWSGI(target, raise_errors=raise_errors)


def borrowed(transport: httpx.BaseTransport) -> httpx.BaseTransport:
    """Return a transport that sends by another one, and does not close it."""
    return _Borrowed(transport)


def async_borrowed(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    """Return an async transport that sends by another one, and does not close it."""
    return _AsyncBorrowed(transport)


def is_asgi(app: Callable[..., Any]) -> bool:
    """Return whether an application is one of ASGI, by the arguments of its call. Raises ``TypeError`` for neither."""
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    demanded = [
        each
        for each in parameters
        if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD} and each.default is each.empty
    ]
    if len(demanded) not in {_ASGI_ARGUMENTS, _WSGI_ARGUMENTS}:
        raise TypeError(
            f"{type(app).__name__} is neither an ASGI application, called with scope, receive and send, nor one of "
            "WSGI, called with environ and start_response; pass the URL of a running server instead"
        )
    return len(demanded) == _ASGI_ARGUMENTS


class _Borrowed(httpx.BaseTransport):
    def __init__(self, lender: httpx.BaseTransport) -> None:
        self._lender = lender

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._lender.handle_request(request)


class _AsyncBorrowed(httpx.AsyncBaseTransport):
    def __init__(self, lender: httpx.AsyncBaseTransport) -> None:
        self._lender = lender

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._lender.handle_async_request(request)


class _Lifespan:
    """One application of ASGI, from its startup to its shutdown, in the running event loop."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._reads_events = False
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the application. Raises ``RuntimeError`` with its message if it cannot start."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._step("startup")
        if answer["type"] == "lifespan.startup.failed":
            await asyncio.wait([self._task])
            reason = f"the application could not start: {answer.get('message') or 'it gives no reason'}"
            raise RuntimeError(reason) from self._task.exception()

    async def stop(self) -> None:
        if self._task is None or self._task.done():
            return
        await self._step("shutdown")
        await self._task

    async def _step(self, event: str) -> MutableMapping[str, Any]:
        self._events.put_nowait(event)
        return await self._messages.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._messages.put)
        except Exception as error:
            if self._reads_events:
                self._messages.put_nowait({"type": "lifespan.startup.failed", "message": repr(error)})
                raise
            # Without reading an event it has no lifespan: what it raises then is up to it (ASGI, lifespan protocol).
        self._messages.put_nowait({"type": "lifespan.over"})

    async def _receive(self) -> dict[str, str]:
        self._reads_events = True
        return {"type": f"lifespan.{await self._events.get()}"}


class _Served:
    """An application that is started for several transports in one event loop."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._users = 0
        self._lifespan = _Lifespan(app)
        self._started: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Start the application, unless it runs for another transport already. Raises ``RuntimeError``."""
        self._users += 1
        if self._started is None:
            self._started = asyncio.get_running_loop().create_task(self._lifespan.start())
        try:
            await asyncio.shield(self._started)
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            _SERVED.pop(_key(self._app))
            await self._lifespan.stop()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if self._lifespan.state:
            scope["state"] = dict(self._lifespan.state)
        await self._app(scope, receive, send)


_SERVED: Final[dict[tuple[int, int], _Served]] = {}


async def _joined(app: Callable[..., Any]) -> _Served:
    served = _SERVED.setdefault(_key(app), _Served(app))
    await served.join()
    return served


def _key(app: Callable[..., Any]) -> tuple[int, int]:
    return id(app), id(asyncio.get_running_loop())


class _LoopASGI(httpx.AsyncBaseTransport):
    """Sends requests to an application in the running event loop."""

    def __init__(self, app: Callable[..., Any], *, raise_errors: bool) -> None:
        self._app = app
        self._raise_errors = raise_errors
        self._joining: asyncio.Task[_Served] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        served = await self._join()
        inner = httpx.ASGITransport(served, raise_app_exceptions=self._raise_errors)
        return await inner.handle_async_request(request)

    async def __aenter__(self) -> Self:
        await self._join()
        return self

    async def aclose(self) -> None:
        if self._joining is not None:
            joined, self._joining = self._joining, None
            await (await joined).leave()

    async def _join(self) -> _Served:
        if self._joining is None:
            self._joining = asyncio.get_running_loop().create_task(_joined(self._app))
        try:
            return await asyncio.shield(self._joining)
        except BaseException:
            self._joining = None
            raise


class _ThreadedWSGI(httpx.AsyncBaseTransport):
    """Sends requests to an application of WSGI in threads."""

    def __init__(self, app: Callable[..., Any], *, raise_errors: bool) -> None:
        self._inner = httpx.WSGITransport(app, raise_app_exceptions=raise_errors)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        plain = httpx.Request(request.method, request.url, headers=request.headers.raw, content=await request.aread())
        return await asyncio.to_thread(self._answer, plain)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        return _again(response, b"".join(response.iter_raw()))


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reseal.testing", daemon=True)
        self._thread.start()

    def wait(self, work: Awaitable[Any]) -> Any:
        """Run what is awaited in the loop; returns its result in this thread."""

        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def close(self) -> None:
        self.wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_LIMIT_S)
        self._loop.close()


_LOCK: Final = threading.Lock()
_LOOPS: Final[dict[int, tuple[_Loop, list[object]]]] = {}
"""The loop of each application that sync clients visit, and their transports."""


class _ThreadedASGI(httpx.BaseTransport):
    """Sends requests of a sync client to an application whose event loop runs in a thread of its own."""

    def __init__(self, app: Callable[..., Any], *, raise_errors: bool) -> None:
        self._app = app
        self._inner = _LoopASGI(app, raise_errors=raise_errors)
        self._loop: _Loop | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self._open().wait(self._answer(request))
        assert isinstance(response, httpx.Response)
        return response

    def __enter__(self) -> Self:
        try:
            self._open().wait(self._inner.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        with _LOCK:
            loop, self._loop = self._loop, None
            if loop is None:
                return
            loop.wait(self._inner.aclose())
            users = _LOOPS[id(self._app)][1]
            users.remove(self)
            if not users:
                del _LOOPS[id(self._app)]
                loop.close()

    def _open(self) -> _Loop:
        with _LOCK:
            if self._loop is None:
                if id(self._app) not in _LOOPS:
                    _LOOPS[id(self._app)] = _Loop(), []
                self._loop, users = _LOOPS[id(self._app)]
                users.append(self)
            return self._loop

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        return _again(response, b"".join([part async for part in response.aiter_raw()]))


def _again(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return the response for a client of the other kind."""
    return httpx.Response(response.status_code, headers=response.headers.raw, content=body)
