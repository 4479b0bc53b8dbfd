"""The feed in Flask."""

import socket

import flask

from examples import serving
from reseal import Settings
from reseal.flask import Reseal, current_session, session_required

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> flask.Flask:
    """Make the application."""
    app = flask.Flask(__name__)
    reseal = Reseal(app, settings=settings)

    @app.post("/login")
    def login() -> dict[str, str]:
        session = reseal.create_new_session(user_of(flask.request.get_json(silent=True)))
        return {"user": session.get_user_id()}

    @app.get("/getHomeFeed")
    @session_required
    def home_feed() -> dict[str, object]:
        return feed("Flask", current_session.get_user_id())

    def page() -> flask.Response:
        content, content_type = file(flask.request.path)
        return flask.Response(content, content_type=content_type)

    for path in FILES:
        app.add_url_rule(path, "page", page)
    return app


def serve(listener: socket.socket, address: str, app: flask.Flask) -> None:
    """Serve the application until interrupted."""
    serving.serve_wsgi(listener, address, app)
