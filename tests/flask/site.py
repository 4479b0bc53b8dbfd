"""Applications of Flask under test, with a clock, and browsers that visit them by Flask's own test client."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from reseal import Settings
from reseal.flask import Reseal
from reseal.testing import ManualClock, Recorder

API: Final = "https://shop.example.com"
ACCESS: Final = "__Host-sAccessToken"
SIGNED_OUT: Final = {"message": "unauthorised", "reason": "no_token"}


class Browser(FlaskClient):
    """A page of the application: it says where it comes from."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"

    def open(self, *args: Any, **named: Any) -> TestResponse:
        if args and isinstance(args[0], str):
            named.setdefault("base_url", API)
        return super().open(*args, **named)

    def visit(self, path: str, method: str = "GET", **named: Any) -> TestResponse:
        """Open a page, or send a form, as a person does."""
        headers = {"sec-fetch-mode": "navigate", "accept": "text/html"} | named.pop("headers", {})
        return self.open(path, method=method, headers=headers, **named)

    def holds(self, name: str = ACCESS, path: str = "/") -> bool:
        return self.get_cookie(name, API.partition("//")[2], path) is not None


class Site:
    """One application, not yet with views."""

    def __init__(self, **more: Any) -> None:
        self.clock = ManualClock()
        self.events = Recorder()
        changes = more.pop("settings", {})
        self.settings = Settings(**{"api_domain": API, "database_uri": "memory:"} | changes)
        self.app = Flask("shop")
        self.app.test_client_class = Browser
        self.app.config["SECRET_KEY"] = "a key of the tests"
        self.reseal = Reseal(settings=self.settings, clock=self.clock, on_event=self.events, **more)
        self.reseal.init_app(self.app)
        self.app.add_url_rule("/login/<user_id>", "login_as", self._login, methods=["POST"])

    def browser(self) -> Browser:
        client = self.app.test_client()
        assert isinstance(client, Browser)
        return client

    def signed_in(self, user_id: str = "alice") -> Browser:
        browser = self.browser()
        assert browser.post(f"/login/{user_id}").status_code == 200
        return browser

    def expire(self) -> None:
        """Let the access tokens end, and nothing else."""
        self.clock.advance(self.settings.access_token_ms)

    def _login(self, user_id: str) -> dict[str, str]:
        return {"handle": self.reseal.create_new_session(user_id).get_handle()}
