"""The feed in Litestar."""

from typing import Any

from litestar import Litestar, Request, Response, get, post

from examples import serving
from reseal import Settings
from reseal.litestar import Injected, Reseal, Session

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> Litestar:
    """Make the application."""
    reseal = Reseal(settings)

    @post("/login", status_code=200)
    async def login(request: Request[Any, Any, Any]) -> dict[str, str]:
        session = await reseal.create_new_session(request, user_of(await request.json()))
        return {"user": session.get_user_id()}

    @get("/getHomeFeed")
    async def home_feed(session: Injected[Session]) -> dict[str, object]:
        return feed("Litestar", session.get_user_id())

    @get(list(FILES), sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        content, content_type = file(request.scope["path"])
        return Response(content, media_type=content_type)

    return Litestar([login, home_feed, page], plugins=[reseal])


serve = serving.serve_asgi
