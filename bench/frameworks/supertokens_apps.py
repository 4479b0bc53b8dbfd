"""FastAPI: bare, with supertokens-python. Runs where that is installed: see ``supertokens.py``."""

from __future__ import annotations

import os

from calling import ORIGIN, Asgi
from fastapi import Depends, FastAPI, Request
from supertokens_python import InputAppInfo, SupertokensConfig, init
from supertokens_python.framework.fastapi import get_middleware
from supertokens_python.recipe import session
from supertokens_python.recipe.session import SessionContainer
from supertokens_python.recipe.session.asyncio import create_new_session
from supertokens_python.recipe.session.framework.fastapi import verify_session
from supertokens_python.types import RecipeUserId

SIGNED_IN = Depends(verify_session())


def clients() -> dict[str, Asgi]:
    init(
        app_info=InputAppInfo(app_name="app", api_domain=ORIGIN, website_domain=ORIGIN),
        framework="fastapi",
        supertokens_config=SupertokensConfig(connection_uri=os.environ["SERVICE"]),
        recipe_list=[session.init(anti_csrf="NONE")],
        telemetry=False,
    )
    return {"bare": Asgi(bare()), "supertokens-python, verify_session()": Asgi(theirs(), sign_in="/login")}


def bare() -> FastAPI:
    app = FastAPI()

    @app.get("/feed")
    async def feed() -> dict[str, str]:
        return {"user": "alice"}

    return app


def theirs() -> FastAPI:
    app = FastAPI()
    app.add_middleware(get_middleware())

    @app.post("/login")
    async def login(request: Request) -> dict[str, str]:
        await create_new_session(request, "public", RecipeUserId("alice"))
        return {}

    @app.get("/feed")
    async def feed(container: SessionContainer = SIGNED_IN) -> dict[str, str]:
        return {"user": container.get_user_id()}

    return app
