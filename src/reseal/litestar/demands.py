"""What a route demands of a session, in Litestar's forms: a guard, or an injected parameter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeAlias, TypeVar, get_args

from litestar import di, params
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from reseal import asgi
from reseal._async.session import AsyncSession as Session
from reseal.core.claims import ClaimCheck

T = TypeVar("T")
Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

OWN: Final = "reseal_own"
"""In ``opt`` of the ready-made routes: who refreshes or signs out has no session yet that could be demanded."""
PLUGIN: Final = "reseal.plugin"
_OPTIONS: Final = "litestar.routes.http"
"""Where Litestar's own handlers of ``OPTIONS`` are from: a preflight comes without cookies."""
NOT_INSTALLED: Final = "sessions are not installed in this application: add plugins=[Reseal(settings)] to Litestar(…)"


def state(scope: Scope) -> dict[str, Any]:
    """Return the scope as what it is: a dictionary that also has keys of ours."""
    return scope  # type: ignore[return-value]  # a cast is a call, and every request comes by here


def is_websocket(scope: Scope) -> bool:
    """Return whether a connection is a WebSocket."""
    return bool(state(scope)["type"] == "websocket")


def _marker() -> object:
    """Return what tells Litestar that a parameter is injected: its name depends on the version."""
    return get_args(di.NamedDependency[object])[1] if hasattr(di, "NamedDependency") else params.Dependency()


if TYPE_CHECKING:
    Injected: TypeAlias = Annotated[T, "injected"]
else:
    Injected = Annotated[T, _marker()]
"""A parameter that the plugin fills, by its name: ``session``, ``sync_session``, ``optional_session``, …"""


@dataclass(frozen=True)
class Demand:
    """What a route demands of a session."""

    enable_csrf_protection: bool | None = None
    check_database: bool = False
    claims: tuple[ClaimCheck, ...] = ()

    def covers(self, other: Demand) -> bool:
        """Return whether a session verified by this demand fulfils another one as well."""
        return (
            self.enable_csrf_protection == other.enable_csrf_protection
            and (self.check_database or not other.check_database)
            and all(claim in self.claims for claim in other.claims)
        )


class Verifier(Protocol):
    """What a guard needs of the plugin."""

    async def verified(self, connection: asgi.Connection, demand: Demand) -> Session:
        """Return the session of a connection."""


class Provided(Provide):
    """A dependency that gives a session."""

    __slots__ = ("demand",)

    def __init__(self, dependency: Callable[[Scope], Awaitable[object]], demand: Demand | None) -> None:
        super().__init__(dependency)
        self.demand: Demand | None = demand
        """``None`` where a visitor without a session is welcome as well."""


class SessionGuard:
    """A guard of Litestar that demands a session. Made by :func:`session_guard`."""

    def __init__(self, demand: Demand, subprotocols: tuple[str, ...]) -> None:
        self.demand: Demand = demand
        self.subprotocols: tuple[str, ...] = subprotocols

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        if OWN in handler.opt or handler.fn.__module__ == _OPTIONS:
            return
        verifier: Verifier | None = state(connection.scope).get(PLUGIN)
        if verifier is None:
            raise RuntimeError(NOT_INSTALLED)
        await verifier.verified(connection, self.demand)


def session_guard(
    *,
    enable_csrf_protection: bool | None = None,
    check_database: bool = False,
    claims: Iterable[ClaimCheck] = (),
    subprotocols: Iterable[str] = (),
) -> SessionGuard:
    """Make a guard for handlers, controllers, routers or the whole application: no session, no entry.

    ``check_database``: also notice at once that the session was revoked. ``claims``: what else is demanded.

    A WebSocket is admitted by a ticket for its path, a token in ``Authorization``, or a cookie from a page of ours, and
    closed with code 4001 when the session ends; where the store stays away for minutes, with 1013. The first of
    ``subprotocols`` that the page offers is chosen, unless the handler chooses one.
    """
    return SessionGuard(Demand(enable_csrf_protection, check_database, tuple(claims)), tuple(subprotocols))


def demands(handler: BaseRouteHandler) -> list[Demand]:
    """List what the guards and the dependencies of a handler demand of a session."""
    if OWN in handler.opt:
        return []
    return [guard.demand for guard in _guards(handler)] + [
        each.demand for each in _provided(handler) if each.demand is not None
    ]


def subprotocols(handler: BaseRouteHandler) -> list[str]:
    """List the sub-protocols of a WebSocket that the guards of a handler name."""
    return [name for guard in _guards(handler) for name in guard.subprotocols]


def _guards(handler: BaseRouteHandler) -> Iterator[SessionGuard]:
    for guard in handler.resolve_guards():
        original = getattr(guard, "func", guard)  # Litestar may wrap a callable
        if isinstance(original, SessionGuard):
            yield original


def _provided(handler: BaseRouteHandler) -> Iterator[Provided]:
    """List the sessions that a handler is given, directly or by another dependency."""
    known = handler.resolve_dependencies()
    names, seen = list(handler.parsed_fn_signature.parameters), set[str]()
    while names:
        name = names.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        provide = known[name]
        if isinstance(provide, Provided):
            yield provide
        names += provide.parsed_fn_signature.parameters
