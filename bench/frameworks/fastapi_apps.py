"""FastAPI: bare, with Reseal by a dependency and by a call, with Starlette's cookie sessions."""

from __future__ import annotations

from typing import Annotated

from calling import Asgi, settings
from fastapi import Depends, FastAPI, Request
from starlette.middleware.sessions import SessionMiddleware

from reseal.fastapi import Reseal, Session

reseal = Reseal(settings())
SignedIn = Annotated[Session, Depends(reseal.session())]


def clients() -> dict[str, Asgi]:
    return {
        "bare": Asgi(bare()),
        "Reseal, Depends(reseal.session())": Asgi(ours(), sign_in="/login"),
        "Starlette's session": Asgi(own(), sign_in="/login"),
    }


def bare() -> FastAPI:
    app = FastAPI()

    @app.get("/feed")
    async def feed() -> dict[str, str]:
        return {"user": "alice"}

    return app


def ours() -> FastAPI:
    app = FastAPI()

    @app.post("/login")
    async def login(request: Request) -> dict[str, str]:
        await reseal.create_new_session(request, "alice")
        return {}

    @app.get("/feed")
    async def feed(session: SignedIn) -> dict[str, str]:
        return {"user": session.get_user_id()}

    reseal.install(app)
    return app


def own() -> FastAPI:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="k" * 32)

    @app.post("/login")
    async def login(request: Request) -> dict[str, str]:
        request.session["user"] = "alice"
        return {}

    @app.get("/feed")
    async def feed(request: Request) -> dict[str, str]:
        return {"user": request.session["user"]}

    return app
