"""The same application for Sanic."""

import os

from sanic import Sanic
from sanic.response import json

from reseal.sanic import Reseal, Settings

app = Sanic("processes")
reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))
reseal.install(app)


@app.post("/login")
async def login(request):
    session = await reseal.create_new_session(request, request.query_string)
    return json({"session": session.get_handle()})


@app.get("/feed")
async def feed(request):
    session = await reseal.get_session(request, check_database=True)
    return json({"user": session.get_user_id(), "pid": os.getpid()})
