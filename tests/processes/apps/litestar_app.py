"""The same application for Litestar."""

import os
from typing import Any

from litestar import Litestar, Request, get, post

from reseal.litestar import Injected, Reseal, Session, Settings

reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))


@post("/login", status_code=200)
async def login(request: Request[Any, Any, Any]) -> dict[str, str]:
    session = await reseal.create_new_session(request, request.url.query)
    return {"session": session.get_handle()}


@get("/feed", dependencies={"session": reseal.session(check_database=True)})
async def feed(session: Injected[Session]) -> dict[str, object]:
    return {"user": session.get_user_id(), "pid": os.getpid()}


app = Litestar([login, feed], plugins=[reseal])
