"""The same application for aiohttp: ``make`` for its own command, ``app`` for gunicorn's worker of aiohttp."""

import os

from aiohttp import web

from reseal.aiohttp import Reseal, Settings

reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))
routes = web.RouteTableDef()


@routes.post("/login")
async def login(request):
    session = await reseal.create_new_session(request, request.query_string)
    return web.json_response({"session": session.get_handle()})


@routes.get("/feed")
async def feed(request):
    session = await reseal.get_session(request, check_database=True)
    return web.json_response({"user": session.get_user_id(), "pid": os.getpid()})


app = web.Application()
app.add_routes(routes)
reseal.install(app)


def make(_argv):
    return app
