from __future__ import annotations

from typing import Any

from quart import Quart, Response, redirect, request, websocket

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.quart import Reseal, current_session
from tests.scenarios.apps.starlette import parts
from tests.scenarios.framework import OWN, App, Given, counted, described
from tests.scenarios.servers import AsgiApp


def make(given: Given) -> App:
    app = Quart(__name__)
    reseal = Reseal(given.settings, **given.parts)
    reseal.init_app(app, cors=True)

    @app.post("/login")
    async def login() -> Any:
        body = await request.get_json()
        return described(await reseal.create_new_session(request, body["user_id"], body.get("jwt_payload")))

    @app.route("/me", methods=["GET", "POST"])
    @reseal.session_required()
    async def me() -> Any:
        return described(current_session)

    @app.get("/checked")
    @reseal.session_required(check_database=True)
    async def checked() -> Any:
        return described(current_session)

    @app.get("/admin")
    @reseal.session_required(claims=[HasClaim("admin")])
    async def admin() -> Any:
        return described(current_session)

    @app.post("/count")
    @reseal.session_required()
    async def count() -> Any:
        return await current_session.change_session_data(counted)

    async def granted() -> None:
        await (await reseal.get_session(request)).update_jwt_payload({"admin": True})

    @app.post("/grant")
    @reseal.session_required()
    async def grant() -> Any:
        await current_session.update_jwt_payload({"admin": True})
        return described(current_session)

    @app.post("/stream")
    async def stream() -> Any:
        await granted()
        return parts(), {"content-type": "text/plain"}

    @app.post("/boom")
    async def boom() -> Any:
        await granted()
        raise RuntimeError("the handler failed")

    @app.post("/redirect")
    async def redirect_() -> Any:
        await granted()
        return redirect("/open", 303)

    @app.post("/own")
    async def own() -> Any:
        await granted()
        return Response("own", headers=OWN)

    @app.post("/revoke")
    @reseal.session_required()
    async def revoke() -> Any:
        await current_session.revoke_session()
        return {}

    @app.get("/open")
    async def open_() -> Any:
        return Response("open", headers={"cache-control": "public, max-age=60"})

    @app.get("/page")
    async def page() -> Any:
        match await reseal.peek(request):
            case SignedIn(session):
                return f"Welcome, {session.get_user_id()}"
            case RefreshFirst():
                return reseal.refresh_first(request)
            case Anonymous():
                return "Welcome, stranger"

    @app.websocket("/live")
    async def live() -> None:
        async with reseal.guard(websocket) as session:
            await websocket.send(session.get_user_id())
            while True:
                await websocket.send(await websocket.receive())

    return AsgiApp(app, given.prefix)
