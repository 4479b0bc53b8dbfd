"""The same application for Falcon under ASGI."""

import os

import falcon.asgi

from reseal import ResealError
from reseal.asgi import Reseal, Settings

reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))
falcon_app = falcon.asgi.App()


async def answered(req, resp, error, params):
    answer = reseal.answer(req, error)
    resp.status, resp.data = answer.status, answer.body
    resp.set_headers(answer.headers)


class Login:
    async def on_post(self, req, resp):
        resp.media = {"session": (await reseal.create_new_session(req, req.query_string)).get_handle()}


class Feed:
    async def on_get(self, req, resp):
        session = await reseal.get_session(req, check_database=True)
        resp.media = {"user": session.get_user_id(), "pid": os.getpid()}


falcon_app.add_error_handler(ResealError, answered)
falcon_app.add_route("/login", Login())
falcon_app.add_route("/feed", Feed())
app = reseal.wrap(falcon_app)
