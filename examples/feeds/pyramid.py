"""The feed in Pyramid."""

import socket
from collections.abc import Callable, Iterable

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from examples import serving
from reseal import Settings
from reseal.wsgi import Reseal

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> Callable[..., Iterable[bytes]]:
    """Make the application."""
    reseal = Reseal(settings)

    def login(request: Request) -> dict[str, str]:
        session = reseal.create_new_session(request, user_of(request.json_body))
        return {"user": session.get_user_id()}

    def home_feed(request: Request) -> dict[str, object]:
        session = reseal.get_session(request)
        return feed("Pyramid", session.get_user_id())

    def page(request: Request) -> Response:
        content, content_type = file(request.path)
        return Response(content, headers={"content-type": content_type})

    with Configurator() as config:
        config.add_route("login", "/login", request_method="POST")
        config.add_view(login, route_name="login", renderer="json")
        config.add_route("feed", "/getHomeFeed")
        config.add_view(home_feed, route_name="feed", renderer="json")
        for path in FILES:
            config.add_route(path, path)
            config.add_view(page, route_name=path)
        return reseal.wrap(config.make_wsgi_app())


def serve(listener: socket.socket, address: str, app: Callable[..., Iterable[bytes]]) -> None:
    """Serve the application until interrupted."""
    serving.serve_wsgi(listener, address, app)
