"""The same application for Bottle."""

import os

from bottle import Bottle, HTTPResponse, request

from reseal import ResealError
from reseal.wsgi import Reseal, Settings

reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))
bottle = Bottle()


@bottle.install
def answered(callback):
    def call(*args, **named):
        try:
            return callback(*args, **named)
        except ResealError as error:
            answer = reseal.answer(request, error)
            return HTTPResponse(answer.body, answer.status, dict(answer.headers))

    return call


@bottle.post("/login")
def login():
    return {"session": reseal.create_new_session(request, request.query_string).get_handle()}


@bottle.get("/feed")
def feed():
    session = reseal.get_session(request, check_database=True)
    return {"user": session.get_user_id(), "pid": os.getpid()}


app = reseal.wrap(bottle)
