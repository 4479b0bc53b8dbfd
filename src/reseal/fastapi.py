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

# Annotations are no strings here: older versions of FastAPI cannot look up the names in those of objects and methods.

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

try:
    from fastapi import FastAPI, Request
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs fastapi: pip install "reseal[fastapi]" ({_error})') from None
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.openapi.utils import get_openapi
from fastapi.security.base import SecurityBase
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from reseal._async import verification
from reseal._async.awaited import awaited
from reseal._async.endpoints import AsyncEndpoint
from reseal._async.visitors import user_or_none
from reseal._sync.session import Session as SyncSession
from reseal.core.claims import ClaimCheck
from reseal.settings import Settings
from reseal.starlette import Handler, OwnRoutes, Session, facts, outbox
from reseal.starlette import Reseal as StarletteReseal
from reseal.web.openapi import SCHEME, with_bearer
from reseal.web.presented import Presented
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

__all__ = ["Reseal", "Session", "Settings", "SyncSession"]


class Reseal(StarletteReseal):
    """The sessions of one FastAPI application."""

    def install(self, app: Starlette, *, routes: bool = True) -> None:
        super().install(app, routes=routes)
        if isinstance(app, FastAPI):  # a part that is mounted may be plain Starlette
            ours = [route for own in app.routes if isinstance(own, OwnRoutes) for route in own.routes]
            app.openapi = with_bearer(_with_routes(app.openapi, ours))  # type: ignore[method-assign]  # FastAPI's way

    def session(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> "SessionDependency":
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
    ) -> "SyncSessionDependency":
        """Make the same dependency for ``def`` routes: a session whose calls are not awaited."""
        return SyncSessionDependency(self, enable_csrf_protection, tuple(claims), check_database=check_database)

    def optional_session(self, *, allow_anonymous: bool = False) -> Callable[[Request], Awaitable[Session | None]]:
        """Make a dependency that gives the session, or ``None`` to a visitor who sends no token at all.

        ``allow_anonymous``: give the session of a visitor who is not signed in, too, in place of ``None``. An expired
        token is still answered with "try refresh token": the visitor is somebody, and soon known.
        """

        async def find(request: Request) -> Session | None:
            outbox(request).touch()  # what a visitor sees depends on the token as well
            read = facts(request)
            if not Presented(read, self.settings, *read.credentials).has_access:
                return None
            get = self.get_any_session if allow_anonymous else self.get_session
            return await user_or_none(partial(get, request))

        return find

    def optional_sync_session(
        self, *, allow_anonymous: bool = False
    ) -> Callable[[Request], Awaitable[SyncSession | None]]:
        """Make the same dependency for ``def`` routes."""
        find = self.optional_session(allow_anonymous=allow_anonymous)

        async def find_sync(request: Request) -> SyncSession | None:
            session = await find(request)
            return None if session is None else self.sync.of(session)

        return find_sync

    # FastAPI reads from the annotation of a dependency that it wants the request: these calls can be dependencies.

    @awaited
    async def refresh_session(self, request: Request) -> Session:
        return await super().refresh_session(request)

    @awaited
    async def answer_refresh(self, request: Request) -> dict[str, object]:
        return await super().answer_refresh(request)

    @awaited
    async def sign_out(self, request: Request) -> None:
        await super().sign_out(request)

    @awaited
    async def stop_impersonating(self, request: Request) -> None:
        await super().stop_impersonating(request)

    @awaited
    async def peek(
        self, request: Request, *, check_database: bool = False
    ) -> SignedIn[Session] | RefreshFirst | Anonymous:
        return await super().peek(request, check_database=check_database)

    @awaited
    async def require_own_origin(self, request: Request) -> None:
        await super().require_own_origin(request)

    def _route(self, app: Starlette, endpoint: AsyncEndpoint, handler: Handler) -> Route:
        routes = cast("FastAPI", app).router
        routes.add_api_route(
            endpoint.path,
            handler,
            methods=endpoint.methods,
            include_in_schema=endpoint.method == "POST",
            tags=["session"],
        )
        return cast("Route", routes.routes.pop())  # it stands among ours


def _with_routes(describe: Callable[[], dict[str, Any]], routes: list[BaseRoute]) -> Callable[[], dict[str, Any]]:
    """Describe routes that the application does not know of, and what they refer to."""

    def described() -> dict[str, Any]:
        page, ours = describe(), get_openapi(title="", version="", routes=routes)
        page["paths"] = ours["paths"] | page["paths"]
        for kind, named in ours.get("components", {}).items():
            page.setdefault("components", {}).setdefault(kind, {}).update(named)
        return page

    return described


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
        return await verification.verify(
            self._reseal.sessions.backend,
            self._reseal.context(request),  # type: ignore[arg-type]  # a WebSocket is refused there, and told why
            csrf_protection=self._enable_csrf_protection,
            check_database=self._check_database,
            claims=self._claims,
        )


class SyncSessionDependency(SessionDependency):
    """A demand for a session in a ``def`` route. The verification itself does not leave the event loop."""

    async def __call__(self, request: HTTPConnection) -> SyncSession:  # type: ignore[override]  # FastAPI reads it
        return self._reseal.sync.of(await super().__call__(request))
