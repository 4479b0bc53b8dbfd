"""Sessions for FastAPI: a typed dependency, the lock in the API page, and the ready-made routes.

::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    app = FastAPI()
    reseal.install(app)

    SignedIn = Annotated[Session, Depends(reseal.session())]


    @app.get("/getHomeFeed")
    async def feed(session: SignedIn) -> list[str]:
        return [f"Welcome, {session.get_user_id()}"]
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, cast

try:
    from fastapi import FastAPI, Request
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs fastapi: pip install "reseal[fastapi]" ({_error})') from None
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from reseal._sync.session import Session as SyncSession
from reseal.core.claims import ClaimCheck
from reseal.settings import Settings
from reseal.starlette import Endpoint, OwnPath, Session, facts, outbox, with_head
from reseal.starlette import Reseal as StarletteReseal
from reseal.web.presented import Presented

__all__ = ["Reseal", "Session", "Settings", "SyncSession"]

SCHEME: Final = "session cookie"
BEARER_SCHEME: Final = "session token"
"""The names under which the API page shows the lock, and what opens it: either will do."""


class Reseal(StarletteReseal):
    """The sessions of one FastAPI application."""

    def install(self, app: Starlette, *, routes: bool = True) -> None:
        super().install(app, routes=routes)
        if isinstance(app, FastAPI):  # a part that is mounted may be plain Starlette
            app.openapi = _with_bearer(app.openapi)  # type: ignore[method-assign]  # FastAPI's way to extend it

    def session(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> SessionDependency:
        """Make a dependency that gives the session of the request, or has the request answered with the refusal.

        ``check_database``: also notice at once that the session was revoked. ``claims``: what else is demanded.
        """
        return SessionDependency(self, enable_csrf_protection, tuple(claims), check_database=check_database)

    def sync_session(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> SyncSessionDependency:
        """Make the same dependency for ``def`` routes: a session whose calls are not awaited."""
        return SyncSessionDependency(self, enable_csrf_protection, tuple(claims), check_database=check_database)

    def optional_session(self) -> Callable[[Request], Awaitable[Session | None]]:
        """Make a dependency that gives the session, or ``None`` to a visitor who sends no token at all.

        An expired token is still answered with "try refresh token": the visitor is somebody, and soon known.
        """

        async def find(request: Request) -> Session | None:
            outbox(request).touch()  # what a visitor sees depends on the token as well
            if not Presented(facts(request), self.settings).has_access:
                return None
            return await self.get_session(request)

        return find

    def optional_sync_session(self) -> Callable[[Request], Awaitable[SyncSession | None]]:
        """Make the same dependency for ``def`` routes."""
        find = self.optional_session()

        async def find_sync(request: Request) -> SyncSession | None:
            session = await find(request)
            return None if session is None else self.sync.of(session)

        return find_sync

    def add_route(self, app: Starlette, path: str, endpoint: Endpoint, method: str) -> None:
        in_schema = method == "POST"
        cast("FastAPI", app).router.add_api_route(
            path,
            endpoint,
            methods=with_head(method),
            include_in_schema=in_schema,
            tags=["session"],
            route_class_override=_OwnRoute,
        )


class _OwnRoute(OwnPath, APIRoute):
    pass


class SessionDependency(SecurityBase):
    """A demand for a session, and its lock in the API page."""

    def __init__(
        self,
        reseal: Reseal,
        enable_csrf_protection: bool | None,  # noqa: FBT001 - the mission's argument
        claims: tuple[ClaimCheck, ...],
        *,
        check_database: bool,
    ) -> None:
        self.model: APIKey = APIKey.model_validate({"in": APIKeyIn.cookie, "name": reseal.settings.access_cookie_name})
        self.scheme_name: str = SCHEME
        self._reseal = reseal
        self._enable_csrf_protection = enable_csrf_protection
        self._claims = claims
        self._check_database = check_database

    async def __call__(self, request: HTTPConnection) -> Session:
        return await self._reseal.get_session(
            cast("Request", request),  # a WebSocket is refused there, and told what to use instead
            self._enable_csrf_protection,
            check_database=self._check_database,
            claims=self._claims,
        )


class SyncSessionDependency(SessionDependency):
    """A demand for a session in a ``def`` route. The verification itself does not leave the event loop."""

    async def __call__(self, request: HTTPConnection) -> SyncSession:  # type: ignore[override]  # FastAPI reads it
        return self._reseal.sync.of(await super().__call__(request))


def _with_bearer(describe: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Name the other way to send an access token. A second dependency would say it too, and cost time each call."""

    def described() -> dict[str, Any]:
        page = describe()
        schemes = page.get("components", {}).get("securitySchemes", {})
        if SCHEME in schemes and BEARER_SCHEME not in schemes:
            schemes[BEARER_SCHEME] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            for path in page["paths"].values():
                for operation in path.values():
                    _add_alternative(operation)
        return page

    return described


def _add_alternative(operation: dict[str, Any]) -> None:
    demands = operation.get("security", [])
    demands += [
        {(BEARER_SCHEME if name == SCHEME else name): scopes for name, scopes in demand.items()}
        for demand in demands
        if SCHEME in demand
    ]
