"""The feed in Sanic, as an application of ASGI."""

import sanic
from sanic.response import HTTPResponse, json, raw

from examples import serving
from reseal import Settings
from reseal.sanic import Reseal

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> "sanic.Sanic[sanic.Config, object]":
    """Make the application."""
    app: sanic.Sanic[sanic.Config, object] = sanic.Sanic("feed", configure_logging=False)
    reseal = Reseal(settings)

    @app.post("/login")
    async def login(request: sanic.Request) -> HTTPResponse:
        session = await reseal.create_new_session(request, user_of(request.json))
        return json({"user": session.get_user_id()})

    @app.get("/getHomeFeed")
    async def home_feed(request: sanic.Request) -> HTTPResponse:
        session = await reseal.get_session(request)
        return json(feed("Sanic", session.get_user_id()))

    async def page(request: sanic.Request) -> HTTPResponse:
        content, content_type = file(request.path)
        return raw(content, content_type=content_type)

    for number, path in enumerate(FILES):
        app.add_route(page, path, name=f"page_{number}")
    reseal.install(app)
    return app


serve = serving.serve_asgi
