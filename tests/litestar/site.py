"""Small applications of Litestar, and visitors of them."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, get, post
from litestar.testing import TestClient

from reseal.litestar import Injected, Reseal, Session, Settings
from reseal.testing import ManualClock

API = "https://api.example.com"
EVIL = "https://evil.example.net"
ACCESS, REFRESH = "__Host-sAccessToken", "__Secure-sRefreshToken"
HOUR = 3_600_000
AnyRequest = Request[Any, Any, Any]
Client = TestClient[Litestar]


def settings(**changes: Any) -> Settings:
    return Settings(**({"api_domain": API, "database_uri": "memory:"} | changes))


def make(
    *handlers: Any, clock: ManualClock | None = None, changes: dict[str, Any] | None = None, **options: Any
) -> Litestar:
    """Make an application with these handlers beside ``/login`` and ``/me``, and with options of ``Litestar``."""
    reseal = Reseal(settings(**(changes or {})), clock=clock or ManualClock())

    @post("/login", status_code=200, opt={"exclude_from_auth": True})
    async def login(request: AnyRequest) -> dict[str, str]:
        asked = request.query_params
        payload = {"admin": True} if "admin" in asked else None
        session = await reseal.create_new_session(request, asked.get("user_id", "alice"), payload)
        return {"handle": session.get_handle()}

    @get("/me")
    async def me(session: Injected[Session]) -> str:
        return session.get_user_id()

    options = {"logging_config": None} | options
    plugins = [reseal, *options.pop("plugins", [])]
    return Litestar([login, me, *handlers], plugins=plugins, **options)


def sessions(app: Litestar) -> Reseal:
    return app.plugins.get(Reseal)


def visiting(app: Litestar, **more: Any) -> Client:
    """Visit an application with a browser that shows a page of its own origin."""
    client = TestClient(app, base_url=API, **more)
    client.headers["origin"] = API
    return client


def cookies(client: Client) -> str:
    """The cookies of a client in one header: its WebSockets are not encrypted, and send none by themselves."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar if cookie.path == "/")
