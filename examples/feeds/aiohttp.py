"""The feed in aiohttp."""

import socket

from aiohttp import web

from examples import serving
from reseal import Settings
from reseal.aiohttp import Reseal

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> web.Application:
    """Make the application."""
    app = web.Application()
    reseal = Reseal(settings)
    reseal.install(app)

    async def login(request: web.Request) -> web.Response:
        session = await reseal.create_new_session(request, user_of(await request.json()))
        return web.json_response({"user": session.get_user_id()})

    async def home_feed(request: web.Request) -> web.Response:
        session = await reseal.get_session(request)
        return web.json_response(feed("aiohttp", session.get_user_id()))

    async def page(request: web.Request) -> web.Response:
        content, content_type = file(request.path)
        return web.Response(body=content, headers={"content-type": content_type})

    app.add_routes([web.post("/login", login), web.get("/getHomeFeed", home_feed)])
    app.add_routes([web.get(path, page) for path in FILES])
    return app


def serve(listener: socket.socket, address: str, app: web.Application) -> None:
    """Serve the application until interrupted."""

    async def announce(_app: web.Application) -> None:
        serving.announce(address)

    serving.show_events()
    app.on_startup.append(announce)
    web.run_app(app, sock=listener, print=None, access_log=None)
