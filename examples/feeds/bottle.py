"""The feed in Bottle."""

import socket
from collections.abc import Callable, Iterable
from typing import Any

import bottle

from examples import serving
from reseal import ResealError, Settings
from reseal.wsgi import Reseal

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> Callable[..., Iterable[bytes]]:
    """Make the application."""
    app = bottle.Bottle()
    reseal = Reseal(settings)

    @app.post("/login")
    def login() -> dict[str, str]:
        session = reseal.create_new_session(bottle.request, user_of(bottle.request.json))
        return {"user": session.get_user_id()}

    @app.get("/getHomeFeed")
    def home_feed() -> dict[str, object]:
        session = reseal.get_session(bottle.request)
        return feed("Bottle", session.get_user_id())

    @app.route(list(FILES))
    def page() -> bytes:
        content, bottle.response.content_type = file(bottle.request.path)
        return content

    def answered(call: Callable[..., Any]) -> Callable[..., Any]:
        def view(*args: Any, **named: Any) -> Any:
            try:
                return call(*args, **named)
            except ResealError as error:
                answer = reseal.answer(bottle.request, error)
                return bottle.HTTPResponse(answer.body, answer.status, dict(answer.headers))

        return view

    app.install(answered)
    return reseal.wrap(app)


def serve(listener: socket.socket, address: str, app: Callable[..., Iterable[bytes]]) -> None:
    """Serve the application until interrupted."""
    serving.serve_wsgi(listener, address, app)
