"""The feed in Falcon."""

import socket
from collections.abc import Callable, Iterable

import falcon

from examples import serving
from reseal import ResealError, Settings
from reseal.wsgi import Reseal

from .content import FILES, feed, file, user_of


class Login:
    def __init__(self, reseal: Reseal) -> None:
        self._reseal = reseal

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Sign in."""
        session = self._reseal.create_new_session(request.env, user_of(request.get_media()))
        response.media = {"user": session.get_user_id()}


class HomeFeed:
    def __init__(self, reseal: Reseal) -> None:
        self._reseal = reseal

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send the feed of the user."""
        session = self._reseal.get_session(request.env)
        response.media = feed("Falcon", session.get_user_id())


class Page:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send a file of the page."""
        response.data, response.content_type = file(request.path)


def create_app(settings: Settings) -> Callable[..., Iterable[bytes]]:
    """Make the application."""
    app = falcon.App()
    reseal = Reseal(settings)
    app.add_route("/login", Login(reseal))
    app.add_route("/getHomeFeed", HomeFeed(reseal))
    for path in FILES:
        app.add_route(path, Page())

    def answer(request: falcon.Request, response: falcon.Response, error: ResealError, _params: object) -> None:
        answered = reseal.answer(request.env, error)
        response.status, response.data = answered.status, answered.body
        response.set_headers(dict(answered.headers))

    app.add_error_handler(ResealError, answer)
    return reseal.wrap(app)


def serve(listener: socket.socket, address: str, app: Callable[..., Iterable[bytes]]) -> None:
    """Serve the application until interrupted."""
    serving.serve_wsgi(listener, address, app)
