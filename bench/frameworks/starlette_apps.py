"""Starlette: bare, with Reseal, with its own cookie sessions."""

from __future__ import annotations

from calling import Asgi, settings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from reseal.starlette import Reseal


def clients() -> dict[str, Asgi]:
    return {
        "bare": Asgi(Starlette(routes=[Route("/feed", bare)])),
        "Reseal, await get_session": Asgi(ours(), sign_in="/login"),
        "Starlette's session": Asgi(own(), sign_in="/login"),
    }


async def bare(_request: Request) -> JSONResponse:
    return JSONResponse({"user": "alice"})


def ours() -> Starlette:
    reseal = Reseal(settings())

    async def login(request: Request) -> JSONResponse:
        await reseal.create_new_session(request, "alice")
        return JSONResponse({})

    async def feed(request: Request) -> JSONResponse:
        session = await reseal.get_session(request)
        return JSONResponse({"user": session.get_user_id()})

    app = Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/feed", feed)])
    reseal.install(app)
    return app


def own() -> Starlette:
    async def login(request: Request) -> JSONResponse:
        request.session["user"] = "alice"
        return JSONResponse({})

    async def feed(request: Request) -> JSONResponse:
        return JSONResponse({"user": request.session["user"]})

    routes = [Route("/login", login, methods=["POST"]), Route("/feed", feed)]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="k" * 32)])
