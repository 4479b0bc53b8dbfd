"""The same application for Flask."""

import os

from flask import Flask, request

from reseal.flask import Reseal, Settings, current_session, session_required

app = Flask(__name__)
reseal = Reseal(app, settings=Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))


@app.post("/login")
def login():
    return {"session": reseal.create_new_session(request.query_string.decode()).get_handle()}


@app.get("/feed")
@session_required(check_database=True)
def feed():
    return {"user": current_session.get_user_id(), "pid": os.getpid()}
