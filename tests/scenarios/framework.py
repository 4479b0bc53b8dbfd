"""One suite of scenarios over every adapter: what an adapter gives to it.

A framework joins by one file, ``tests/scenarios/apps/<name>.py``, and one line in :data:`FRAMEWORKS`. The file has one
function, ``make(given: Given) -> App``: a small application with the adapter installed and these routes, in which
``granted`` means ``await session.update_jwt_payload({"admin": True})`` before the answer:

=========== =================== =====================================================================================
method      path                answer
=========== =================== =====================================================================================
POST        ``/login``          ``create_new_session`` for the JSON body's ``user_id`` and ``jwt_payload`` (may be
                                absent); :func:`described`
GET, POST   ``/me``             ``get_session``; :func:`described`
GET         ``/checked``        the same with ``check_database=True``
GET         ``/admin``          the same with ``claims=[HasClaim("admin")]``
POST        ``/count``          ``change_session_data`` with :func:`counted`; the data as JSON
POST        ``/grant``          granted; :func:`described`
POST        ``/stream``         granted; a streamed response of the three parts of :data:`PARTS`
POST        ``/boom``           granted; ``raise RuntimeError("the handler failed")``, answered with status 500
POST        ``/redirect``       granted; status 303 to ``/open``, whatever the prefix
POST        ``/own``            granted; the headers :data:`OWN` and the body ``own``
POST        ``/revoke``         ``revoke_session`` of the session; ``{}``
GET         ``/open``           the body ``open`` with ``cache-control: public, max-age=60``; no session is asked for
GET         ``/page``           ``peek``: the HTML ``Welcome, <user id>``, the page that refreshes first, or ``Welcome,
                                stranger``
=========== =================== =====================================================================================

``HEAD`` is answered wherever ``GET`` is. With ``"cors"`` among its features a framework answers preflights of the
settings' origins for all routes; with ``"page-loads"`` it answers the load of a page whose access token has ended by
refreshing first; with ``"websocket"`` there is ``/live``, guarded, which sends the user id as text and
then what it receives. ``"replaces-vary"`` excuses a framework whose own CORS overwrites the application's ``Vary``.

The line says whether the sessions are async or sync. The adapter opens and closes them, by the application's lifespan or
before the first request, and :class:`App` is entered and left around each test. Under a prefix every path of the
application begins with it; how it is mounted there is for the file to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal, Protocol, Self, cast

import httpx

from reseal import Settings
from reseal.core.events import EventListener
from reseal.testing import ManualClock

PARTS: Final = ("one", "two", "three")
OWN: Final = {"cache-control": "public, max-age=60", "vary": "Accept", "set-cookie": "theme=dark; Path=/"}


@dataclass(frozen=True)
class Given:
    """What an application is made of. Passed on to the adapter as they are."""

    settings: Settings
    sessions: Any
    """``AsyncSessions`` or ``Sessions``, as the line says. They are not open yet."""
    clock: ManualClock
    on_event: EventListener
    prefix: str = ""
    """``/app``, for instance: where the application is mounted."""

    @property
    def parts(self) -> dict[str, Any]:
        """The arguments of an adapter beside its settings."""
        return {"sessions": self.sessions, "clock": self.clock, "on_event": self.on_event}


class App(Protocol):
    """A running application. A request is answered as by a server: also an exception has a response."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Answer a request whose URL begins with the prefix. The response has been read."""


class Socket(Protocol):
    """The page's end of a WebSocket."""

    status: int
    """Of the response to the handshake."""

    async def send(self, text: str) -> None: ...

    async def receive(self) -> str | int:
        """Wait for a text, or for the code with which the application closes it."""


class SocketApp(App, Protocol):
    """What an application with the feature ``"websocket"`` offers as well."""

    def socket(self, request: httpx.Request) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket by this handshake, and leave it."""


@dataclass(frozen=True)
class Framework:
    """One line of the list."""

    name: str
    engine: Literal["async", "sync"]
    """Of the sessions that its adapter embeds."""
    features: frozenset[str] = frozenset()

    def make(self, given: Given) -> App:
        module = import_module(f"tests.scenarios.apps.{self.name}")
        return cast("Callable[[Given], App]", module.make)(given)


FRAMEWORKS: Final = {
    framework.name: framework
    for framework in (
        Framework("asgi", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("wsgi", "sync", frozenset({"cors", "page-loads"})),
        Framework("fastapi", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("starlette", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("django", "sync", frozenset({"page-loads"})),
        Framework("django_asgi", "sync", frozenset({"page-loads"})),
        Framework("flask", "sync", frozenset({"cors", "page-loads"})),
        Framework("sanic", "async", frozenset({"cors", "page-loads"})),
        Framework("falcon_asgi", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("falcon_wsgi", "sync", frozenset({"cors", "page-loads"})),
        Framework("bottle", "sync", frozenset({"cors", "page-loads"})),
        Framework("pyramid", "sync", frozenset({"cors", "page-loads"})),
        Framework("quart", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("aiohttp", "async", frozenset({"cors", "page-loads", "websocket"})),
        Framework("litestar", "async", frozenset({"cors", "page-loads", "websocket", "replaces-vary"})),
    )
}


def having(feature: str) -> list[str]:
    """Name the frameworks with a feature."""
    return [name for name, framework in FRAMEWORKS.items() if feature in framework.features]


def described(session: Any) -> dict[str, Any]:
    """Describe a session, async or sync."""
    return {"user_id": session.get_user_id(), "payload": session.get_jwt_payload()}


def counted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Count a request in the session's data."""
    return {**data, "count": data.get("count", 0) + 1}
