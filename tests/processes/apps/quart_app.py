"""The same application for Quart."""

import os

from quart import Quart, request

from reseal.quart import Reseal, Settings, current_session

app = Quart(__name__)
reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))
reseal.init_app(app)


@app.post("/login")
async def login():
    session = await reseal.create_new_session(request, request.query_string.decode())
    return {"session": session.get_handle()}


@app.get("/feed")
@reseal.session_required(check_database=True)
async def feed():
    return {"user": current_session.get_user_id(), "pid": os.getpid()}
