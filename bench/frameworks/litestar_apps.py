"""Litestar: bare, with Reseal, with its sessions in a cookie and in memory, with its JWT cookies."""

from __future__ import annotations

from typing import Any

from calling import Asgi, settings
from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.security.jwt import JWTCookieAuth, Token

from reseal.litestar import Injected, Reseal, Session

AnyRequest = Request[Any, Any, Any]
KEY = "a-secret-of-more-than-thirty-two-bytes"


def clients() -> dict[str, Asgi]:
    return {
        "bare": Asgi(bare()),
        "Reseal, session: Injected[Session]": Asgi(ours(), sign_in="/login"),
        "Litestar's session in a cookie": Asgi(own(CookieBackendConfig(secret=b"k" * 32)), sign_in="/login"),
        "Litestar's session in memory": Asgi(own(ServerSideSessionConfig()), sign_in="/login"),
        "Litestar's JWTCookieAuth": Asgi(jwt(), sign_in="/login"),
    }


def bare() -> Litestar:
    @get("/feed")
    async def feed() -> dict[str, str]:
        return {"user": "alice"}

    return Litestar([feed])


def ours() -> Litestar:
    reseal = Reseal(settings())

    @post("/login", status_code=200)
    async def login(request: AnyRequest) -> dict[str, str]:
        await reseal.create_new_session(request, "alice")
        return {}

    @get("/feed")
    async def feed(session: Injected[Session]) -> dict[str, str]:
        return {"user": session.get_user_id()}

    return Litestar([login, feed], plugins=[reseal])


def own(config: CookieBackendConfig | ServerSideSessionConfig) -> Litestar:
    @post("/login", status_code=200)
    async def login(request: AnyRequest) -> dict[str, str]:
        request.session["user"] = "alice"
        return {}

    @get("/feed")
    async def feed(request: AnyRequest) -> dict[str, str]:
        return {"user": request.session["user"]}

    return Litestar([login, feed], middleware=[config.middleware])


def jwt() -> Litestar:
    async def user(token: Token, _connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        return token.sub

    auth = JWTCookieAuth[str](retrieve_user_handler=user, token_secret=KEY, exclude=["/login"])

    @post("/login")
    async def login() -> Response[Any]:
        return auth.login(identifier="alice", response_body={}, response_status_code=200)

    @get("/feed")
    async def feed(request: AnyRequest) -> dict[str, str]:
        return {"user": request.user}

    return Litestar([login, feed], on_app_init=[auth.on_app_init])
