"""Applications that the kit is tried on: with Reseal, and with refreshes made at home, good and bad."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from flask import Flask, jsonify
from flask import request as flask_request
from litestar import Litestar, get, post
from litestar import Request as LitestarRequest
from starlette.applications import Starlette

from reseal import Reseal as SyncReseal
from reseal import ResealError, wsgi
from reseal.clock import Clock
from reseal.core.events import EventListener
from reseal.fastapi import Reseal, Session, Settings
from reseal.flask import Reseal as FlaskReseal
from reseal.flask import current_session, session_required
from reseal.litestar import Injected
from reseal.litestar import Reseal as LitestarReseal
from reseal.log import log_event
from reseal.testing import Site
from reseal.web.answers import answer

ORIGIN = "https://shop.example.com"
SETTINGS = Settings(api_domain=ORIGIN, database_uri="memory:")
SITE = Site.of(SETTINGS)
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def fastapi_shop(
    clock: Clock | None = None, on_event: EventListener = log_event, **changes: Any
) -> tuple[Starlette, Reseal]:
    """A shop with sessions in memory, or with these settings."""
    given: dict[str, Any] = {"api_domain": ORIGIN, "database_uri": "memory:"}
    reseal = Reseal(Settings(**(given | changes)), clock=clock, on_event=on_event)
    app = FastAPI()
    reseal.install(app)

    @app.post("/login")
    async def login(request: Request, user: str = "alice") -> None:
        await reseal.create_new_session(request, user)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(reseal.session())]) -> str:
        return session.get_user_id()

    @app.post("/echo")
    async def echo(request: Request, session: Annotated[Session, Depends(reseal.session())]) -> str:
        return f"{session.get_user_id()}: {(await request.body()).decode()}"

    return app, reseal


def wsgi_shop(
    clock: Clock, on_event: EventListener = log_event, **changes: Any
) -> tuple[Callable[..., Any], SyncReseal]:
    """The same shop without a framework, in sync code. Its sessions open themselves."""
    given: dict[str, Any] = {"api_domain": ORIGIN, "database_uri": "memory:"}
    settings = Settings(**(given | changes))
    reseal = SyncReseal(settings, clock=clock, on_event=on_event)
    opening = wsgi.Opening(reseal)

    def respond(environ: dict[str, Any]) -> object:
        request, outbox = wsgi.facts(environ), wsgi.outbox(environ)
        match request.method, request.path:
            case "POST", "/login":
                return reseal.create_new_session(request, outbox, "alice").get_handle()
            case "POST", settings.refresh_api_path:
                return reseal.answer_refresh(request, outbox)
            case "POST", settings.signout_api_path:
                return reseal.sign_out(request, outbox)
        return reseal.get_session(request, outbox).get_user_id()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        opening.ensure()
        status: int = 200
        try:
            body = respond(environ)
        except ResealError as error:
            told = answer(error, settings)
            status, body = told.status, told.body
        start_response(f"{status} -", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    return wsgi.SessionMiddleware(app), reseal


def flask_shop(**config: Any) -> Flask:
    """The shop in Flask, with sessions in a file that nobody may open: a test exchanges them."""
    app = Flask(__name__)
    app.config.update({"RESEAL_API_DOMAIN": ORIGIN, "RESEAL_DATABASE_URI": "sqlite:////nowhere/sessions.db"}, **config)
    reseal = FlaskReseal(app)

    @app.post("/login")
    def login() -> Any:
        return jsonify(reseal.create_new_session(flask_request.args.get("user", "alice")).get_handle())

    @app.get("/me")
    @session_required
    def me() -> Any:
        return jsonify(current_session.get_user_id())

    @app.post("/echo")
    @session_required
    def echo() -> Any:
        return jsonify(f"{current_session.get_user_id()}: {flask_request.get_data(as_text=True)}")

    return app


def litestar_shop() -> tuple[Litestar, LitestarReseal]:
    """The shop in Litestar, with sessions in a file that nobody may open."""
    reseal = LitestarReseal(Settings(api_domain=ORIGIN, database_uri="sqlite:////nowhere/sessions.db"))

    @post("/login", status_code=200)
    async def login(request: LitestarRequest[Any, Any, Any]) -> None:
        await reseal.create_new_session(request, request.query_params.get("user", "alice"))

    @get("/me")
    async def me(session: Injected[Session]) -> str:
        return session.get_user_id()

    @post("/echo", status_code=200)
    async def echo(request: LitestarRequest[Any, Any, Any], session: Injected[Session]) -> str:
        return f"{session.get_user_id()}: {(await request.body()).decode()}"

    return Litestar([login, me, echo], plugins=[reseal]), reseal
