"""A home feed behind a session: everything an application writes to use Reseal, on one page.

The theatre around it (the thief, the panel that shows what happens) is in ``demo.py``; no application needs that.
"""

# Without the usual "from __future__ import annotations": FastAPI reads the annotations of the functions below, and
# could not resolve those that name something inside ``create_app``.

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, StringConstraints
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reseal.clock import Clock, SystemClock
from reseal.core.binding import is_bound
from reseal.core.events import Event
from reseal.fastapi import Reseal, Session, Settings
from reseal.log import log_event

from . import htmx, pages
from .demo import Stage
from .posts import Posts

STATIC: Final = Path(__file__).parent / "static"
DEMO_DEFAULTS: Final = {
    "RESEAL_ACCESS_TOKEN_VALIDITY": "5",  # seconds; an hour would be usual, but too long to watch
    "RESEAL_REFRESH_TOKEN_ROTATION_GRACE_PERIOD": "2",
    "RESEAL_DATABASE_URI": "sqlite:///feed-demo.db",
    "RESEAL_DEVICE_BINDING": "offer",
}
POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
SECURITY_HEADERS: Final = {
    "content-security-policy": pages.policy_text(POLICY),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Credentials(BaseModel):
    """Who wants to sign in. A real application asks for more than a name."""

    user: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class NewPost(BaseModel):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=280)]


def demo_settings(port: int, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration; values that the environment and ``RESEAL_CONFIG`` leave open are chosen for the demo."""
    if "RESEAL_CONFIG" in environ:
        return Settings.load(environ=environ)
    here = {
        "RESEAL_API_DOMAIN": f"http://localhost:{port}",
        "RESEAL_TRUSTED_ORIGINS": f"http://127.0.0.1:{port}",  # the same machine, typed differently
    }
    return Settings.load(environ={**here, **DEMO_DEFAULTS, **environ})


def create_app(settings: Settings, clock: Clock | None = None, pages_dist: Path = pages.DIST) -> FastAPI:
    """Make the application. Its sessions open and close with its lifespan.

    ``clock``: the machine's, unless given. ``pages_dist``: where npm has built the pages with other libraries.
    """
    clock = clock or SystemClock()
    stage = Stage(settings, clock)

    def on_event(event: Event) -> None:
        log_event(event)  # one JSON line each, on the logger "reseal"
        stage.note(event)

    reseal = Reseal(settings, clock=clock, on_event=on_event)
    # The API page would load its scripts from elsewhere, which the policy above forbids.
    app = FastAPI(title="Reseal feed", docs_url=None, redoc_url=None)
    reseal.install(app)
    app.add_middleware(_SecurityHeaders)

    SignedIn = Annotated[Session, Depends(reseal.session())]  # noqa: N806 - it is a type
    # Asks the database, too: notices at once that the session was ended, and confirms that its tokens are in use.
    SignedInForSure = Annotated[Session, Depends(reseal.session(check_database=True))]  # noqa: N806

    posts = Posts()

    # Without a session yet, only this keeps foreign pages from signing a user in.
    @app.post("/login", dependencies=[Depends(reseal.require_own_origin)])
    async def login(credentials: Credentials, request: Request) -> dict[str, str]:
        session = await reseal.create_new_session(request, credentials.user)
        return {"user": session.get_user_id(), "session": session.get_handle()}

    @app.get("/getHomeFeed")
    async def home_feed(session: SignedIn) -> dict[str, Any]:
        return {"user": session.get_user_id(), "posts": posts.newest_first()}

    @app.post("/api/posts", status_code=201)
    async def write_post(post: NewPost, session: SignedIn) -> dict[str, Any]:
        return posts.write(session.get_user_id(), post.text)

    @app.get("/api/me")
    async def me(session: SignedInForSure) -> dict[str, str]:
        return {"user": session.get_user_id(), "session": session.get_handle()}

    @app.get("/api/sessions")
    async def sessions(session: SignedIn) -> list[dict[str, Any]]:
        records = await reseal.sessions.backend.list_user(session.get_user_id())
        return [
            {
                "handle": record.handle,
                "this_browser": record.handle == session.get_handle(),
                "user_agent": record.device.user_agent,
                "created_at": record.created_at,
                "bound": is_bound(record.policy),
            }
            for record in records
        ]

    @app.post("/signout-everywhere")
    async def sign_out_everywhere(session: SignedIn) -> dict[str, int]:
        ended = await reseal.sessions.revoke_all_sessions_for_user(session.get_user_id())
        await session.revoke_session()  # is among the ended ones; this makes the browser forget it
        return {"ended": len(ended)}

    htmx.install(app, reseal, posts)
    stage.install(app, reseal)

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    pages.install(app, POLICY, pages_dist)
    return app


class _SecurityHeaders:
    """Adds security headers to every response; headers that a page has set itself stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
