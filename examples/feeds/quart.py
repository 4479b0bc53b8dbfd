"""The feed in Quart."""

import quart

from examples import serving
from reseal import Settings
from reseal.quart import Reseal, current_session

from .content import FILES, feed, file, user_of


def create_app(settings: Settings) -> quart.Quart:
    """Make the application."""
    app = quart.Quart(__name__)
    reseal = Reseal(settings)
    reseal.init_app(app)

    @app.post("/login")
    async def login() -> dict[str, str]:
        session = await reseal.create_new_session(quart.request, user_of(await quart.request.get_json(silent=True)))
        return {"user": session.get_user_id()}

    @app.get("/getHomeFeed")
    @reseal.session_required()
    async def home_feed() -> dict[str, object]:
        return feed("Quart", current_session.get_user_id())

    async def page() -> quart.Response:
        content, content_type = file(quart.request.path)
        return quart.Response(content, content_type=content_type)

    for path in FILES:
        app.add_url_rule(path, "page", page)
    return app


serve = serving.serve_asgi
