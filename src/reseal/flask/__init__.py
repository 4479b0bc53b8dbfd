"""Sessions for Flask.

::

    app = Flask(__name__)
    app.config["RESEAL_API_DOMAIN"] = "https://shop.example.com"
    reseal = Reseal(app)


    @app.post("/login")
    def login():
        reseal.create_new_session("alice")  # after you have checked who it is
        return redirect("/")


    @app.get("/account")
    @session_required
    def account():
        return f"Welcome, {current_session.get_user_id()}"

What a session has to tell the browser leaves with whatever response the request ends in: a view's, an error page, a
redirect, a stream.
"""

from __future__ import annotations

try:
    import flask as _flask  # noqa: F401 - named here, or the modules below would name it without advice
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs flask: pip install "reseal[flask]" ({_error})') from None

from reseal._sync.session import Session
from reseal.flask.application import NoSession, session_event
from reseal.flask.current import current_session, next_page, session_required
from reseal.flask.extension import Reseal
from reseal.settings import Settings

__all__ = [
    "NoSession",
    "Reseal",
    "Session",
    "Settings",
    "current_session",
    "next_page",
    "session_event",
    "session_required",
]
