from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.websockets import WebSocket

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.fastapi import Reseal, Session
from tests.scenarios.apps.starlette import parts
from tests.scenarios.framework import OWN, App, Given, counted, described
from tests.scenarios.servers import AsgiApp


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    app = FastAPI()
    reseal.install(app)
    reseal.install_cors(app)
    signed_in = reseal.session()
    checked_session = reseal.session(check_database=True)
    administrator = reseal.session(claims=[HasClaim("admin")])

    async def granted(session: Annotated[Session, Depends(signed_in)]) -> Session:
        await session.update_jwt_payload({"admin": True})
        return session

    @app.post("/login")
    async def login(
        request: Request, user_id: Annotated[str, Body()], jwt_payload: Annotated[dict[str, Any] | None, Body()] = None
    ) -> dict[str, Any]:
        return described(await reseal.create_new_session(request, user_id, jwt_payload))

    @app.api_route("/me", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def me(session: Annotated[Session, Depends(signed_in)]) -> dict[str, Any]:
        return described(session)

    @app.get("/checked")
    async def checked(session: Annotated[Session, Depends(checked_session)]) -> dict[str, Any]:
        return described(session)

    @app.get("/admin")
    async def admin(session: Annotated[Session, Depends(administrator)]) -> dict[str, Any]:
        return described(session)

    @app.post("/count")
    async def count(session: Annotated[Session, Depends(signed_in)]) -> dict[str, Any]:
        return dict(await session.change_session_data(counted))

    @app.post("/grant")
    async def grant(session: Annotated[Session, Depends(granted)]) -> dict[str, Any]:
        return described(session)

    @app.post("/stream", dependencies=[Depends(granted)])
    async def stream() -> Response:
        return StreamingResponse(parts(), media_type="text/plain")

    @app.post("/boom", dependencies=[Depends(granted)])
    async def boom() -> None:
        raise RuntimeError("the handler failed")

    @app.post("/redirect", dependencies=[Depends(granted)])
    async def redirect() -> Response:
        return RedirectResponse("/open", 303)

    @app.post("/own", dependencies=[Depends(granted)])
    async def own() -> Response:
        return Response(b"own", headers=OWN)

    @app.post("/revoke")
    async def revoke(session: Annotated[Session, Depends(signed_in)]) -> dict[str, Any]:
        await session.revoke_session()
        return {}

    @app.api_route("/open", methods=["GET", "HEAD"], include_in_schema=False)
    async def open_() -> Response:
        return PlainTextResponse("open", headers={"cache-control": "public, max-age=60"})

    @app.get("/page")
    async def page(request: Request) -> Response:
        match await reseal.peek(request):
            case SignedIn(session):
                return HTMLResponse(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return reseal.refresh_first(request)
            case Anonymous():
                return HTMLResponse("Welcome, stranger")

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        async with reseal.guard(websocket) as session:
            await websocket.send_text(session.get_user_id())
            while True:
                await websocket.send_text(await websocket.receive_text())

    return AsgiApp(app, given.prefix)
