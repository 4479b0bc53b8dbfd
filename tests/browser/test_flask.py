"""Pages and forms of Flask in Chromium, with scripts and without, past the end of access tokens.

None of these pages has a script of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask, flash, redirect, render_template_string, request
from playwright.async_api import Page, expect
from werkzeug.serving import make_server

from reseal import Settings
from reseal.flask import Reseal, current_session, next_page, session_required
from reseal.testing import ManualClock
from tests.browser.conftest import OpenContext
from tests.browser.line import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)

PAGE = """<!doctype html><title>Shop</title><h1>Welcome, {{ name }}</h1>
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}
<form method="post" action="/order" enctype="multipart/form-data">
<input name="item"><input type="file" name="picture"><button>Order</button></form>
<form method="post" action="/leave"><button>Sign out</button></form>"""
SIGN_IN = '<!doctype html><form method="post"><input name="name"><button>Sign in</button></form>'


class Served:
    def __init__(self, origin: str, clock: ManualClock, settings: Settings) -> None:
        self.origin = origin
        self._clock = clock
        self._settings = settings

    def end_access_tokens(self) -> None:
        self._clock.advance(self._settings.access_token_ms)


def shop(reseal: Reseal) -> Flask:
    app = Flask("shop")
    app.secret_key = "of the visitors"
    app.add_url_rule("/login", "login", lambda: SIGN_IN)

    @app.post("/login")
    def sign_in():
        reseal.create_new_session(request.form["name"])
        flash("Hello")
        return redirect(next_page())

    @app.get("/")
    @session_required
    def home() -> str:
        return render_template_string(PAGE, name=current_session.get_user_id())

    @app.post("/order")
    @session_required
    def order():
        flash(f"{request.form['item']}, {len(request.files['picture'].read())} bytes")
        return redirect("/")

    @app.post("/leave")
    @session_required
    def leave():
        reseal.sign_out()
        return redirect("/")

    reseal.init_app(app)
    return app


@pytest.fixture
def site() -> Iterator[Served]:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    clock = ManualClock()
    server = make_server("127.0.0.1", 0, Flask("shop"), threaded=True)
    origin = f"http://localhost:{server.server_port}"
    settings = Settings(api_domain=origin, database_uri="memory:", access_token_validity=2)
    reseal = Reseal(settings=settings, clock=clock, login_view="login", flask_session=True)
    server.app = app = shop(reseal)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield Served(origin, clock, settings)
    server.shutdown()
    thread.join()
    server.server_close()
    with app.app_context():
        reseal.close()
    logging.getLogger("werkzeug").setLevel(logging.NOTSET)


async def continued(page: Page, *, has_scripts: bool) -> None:
    """Press the button of the page that refreshes first, which a script presses otherwise."""
    if not has_scripts:
        await page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_pages_and_forms_outlive_the_access_token(
    site: Served, open_context: OpenContext, tmp_path: Path, *, has_scripts: bool
):
    context = await open_context(java_script_enabled=has_scripts)
    page = await context.new_page()
    await page.goto(f"{site.origin}/?from=start")
    await page.locator("[name=name]").fill("alice")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Hello")).to_be_visible()
    assert page.url == f"{site.origin}/?from=start"

    site.end_access_tokens()
    await page.goto(f"{site.origin}/?from=link")
    await continued(page, has_scripts=has_scripts)
    await expect(page.get_by_role("heading", name="Welcome, alice")).to_be_visible()
    assert page.url == f"{site.origin}/?from=link"

    site.end_access_tokens()
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"x" * 3_000_000)
    await page.locator("[name=item]").fill("tea & milk")
    await page.locator("[name=picture]").set_input_files(picture)
    await page.get_by_role("button", name="Order").click()
    await expect(page.get_by_text("tea & milk, 3000000 bytes")).to_be_visible()

    site.end_access_tokens()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await context.cookies() == []
