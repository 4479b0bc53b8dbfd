"""The same application for Pyramid."""

import os

from pyramid.config import Configurator

from reseal.wsgi import Reseal, Settings

reseal = Reseal(Settings(api_domain=os.environ["API"], database_uri=os.environ["DATABASE"]))


def login(request):
    return {"session": reseal.create_new_session(request, request.query_string).get_handle()}


def feed(request):
    session = reseal.get_session(request, check_database=True)
    return {"user": session.get_user_id(), "pid": os.getpid()}


config = Configurator()
config.add_route("login", "/login")
config.add_view(login, route_name="login", request_method="POST", renderer="json")
config.add_route("feed", "/feed")
config.add_view(feed, route_name="feed", renderer="json")
app = reseal.wrap(config.make_wsgi_app())
