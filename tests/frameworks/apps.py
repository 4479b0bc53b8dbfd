"""The same application twice: for FastAPI, and for plain Starlette."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from reseal import HasClaim
from reseal.fastapi import Reseal as FastAPIReseal
from reseal.starlette import Reseal as StarletteReseal
from reseal.starlette import Session

FILES = Path(__file__).parent

ENDINGS = ("json", "exception", "http-exception", "redirect", "stream", "own", "not-modified", "file", "background")
"""The ways in which a response can come about."""


def ending(how: str, ran: list[str]) -> Response:  # noqa: PLR0911 - a table
    match how:
        case "json":
            return JSONResponse({})
        case "exception":
            raise RuntimeError("the handler failed")
        case "http-exception":
            raise HTTPException(418, "a teapot", {"x-own": "kept", "cache-control": "public, max-age=60"})
        case "redirect":
            return RedirectResponse("/elsewhere", 303)
        case "stream":
            return StreamingResponse(_chunks(), media_type="text/plain")
        case "own":
            headers = {"cache-control": "public, max-age=60", "vary": "Accept", "set-cookie": "theme=dark; Path=/"}
            return Response(b"own", headers=headers)
        case "not-modified":
            return Response(status_code=304, headers={"etag": '"1"', "cache-control": "max-age=60"})
        case "file":
            return FileResponse(FILES / "apps.py", headers={"cache-control": "public, max-age=60"})
        case "background":
            return JSONResponse({}, background=BackgroundTask(ran.append, "background"))
    raise HTTPException(404)


async def _chunks() -> AsyncIterator[str]:
    for chunk in ("one", "two", "three"):
        yield chunk


def described(session: Session) -> dict[str, Any]:
    return {
        "user_id": session.get_user_id(),
        "handle": session.get_handle(),
        "payload": session.get_jwt_payload(),
        "expiry": session.get_expiry(),
    }


async def counted(session: Session) -> dict[str, Any]:
    data = await session.get_session_data()
    data["count"] = int(str(data.get("count", 0))) + 1
    await session.update_session_data(data)
    return data


async def granted(session: Session) -> dict[str, Any]:
    await session.update_jwt_payload(session.get_jwt_payload() | {"mfa": True})
    return described(session)


class Failing:
    """A claim check with a bug in it."""

    id = "failing"

    def failure(self, payload: Any, now: int) -> object:
        raise ValueError("a bug in the claim check")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


class Guarded:
    """Static files for those who are signed in."""

    def __init__(self, reseal: StarletteReseal) -> None:
        self._reseal = reseal
        self._files = StaticFiles(directory=FILES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._reseal.get_session(Request(scope, receive))
        await self._files(scope, receive, send)


Handler = Callable[[Session, Request], Awaitable[Any]]


def starlette_app(reseal: StarletteReseal, ran: list[str], **install: Any) -> Starlette:  # noqa: PLR0915 - routes
    app = Starlette()
    reseal.install(app, **install)

    def route(method: str, path: str, **demand: Any) -> Callable[[Handler], Handler]:
        def add(answer: Handler) -> Handler:
            async def endpoint(request: Request) -> Response:
                session = await reseal.get_session(request, **demand)
                ran.append(path)
                return JSONResponse(await answer(session, request))

            app.router.add_route(path, endpoint, methods=[method])
            return answer

        return add

    async def login(request: Request) -> Response:
        body = await request.json()
        session = await reseal.create_new_session(
            request, body["user_id"], body.get("jwt_payload"), body.get("session_data")
        )
        return JSONResponse(described(session))

    async def plain(_request: Request) -> Response:
        return PlainTextResponse("plain", headers={"cache-control": "public, max-age=60"})

    async def own_refresh(request: Request) -> Response:
        await reseal.refresh_session(request)
        return ending(request.path_params["how"], ran)

    async def own_update(request: Request) -> Response:
        session = await reseal.get_session(request)
        await session.update_jwt_payload({"updated": True})
        return ending(request.path_params["how"], ran)

    async def own_login(request: Request) -> Response:
        await reseal.create_new_session(request, "alice")
        return ending(request.path_params["how"], ran)

    async def own_revoke(request: Request) -> Response:
        session = await reseal.get_session(request)
        await session.revoke_session()
        return ending(request.path_params["how"], ran)

    async def read(request: Request) -> Response:
        await reseal.get_session(request)
        return ending(request.path_params["how"], ran)

    async def any_refresh(request: Request) -> Response:
        await reseal.refresh_session(request)
        return JSONResponse({})

    async def any_sign_out(request: Request) -> Response:
        await reseal.sign_out(request)
        return JSONResponse({})

    add = app.router.add_route
    add("/login", login, methods=["POST"])
    add("/plain", plain, methods=["GET"])
    add("/session/refresh/then/{how}", own_refresh, methods=["POST"])
    add("/session/refresh/any", any_refresh, methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"])
    add("/signout/any", any_sign_out, methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"])
    add("/update/then/{how}", own_update, methods=["POST"])
    add("/login/then/{how}", own_login, methods=["POST"])
    add("/revoke/then/{how}", own_revoke, methods=["POST"])
    add("/read/then/{how}", read, methods=["GET"])

    @route("GET", "/me")
    async def me(session: Session, _request: Request) -> Any:
        return described(session)

    @route("POST", "/count")
    async def count(session: Session, _request: Request) -> Any:
        return await counted(session)

    @route("GET", "/checked", check_database=True)
    async def checked(session: Session, _request: Request) -> Any:
        return described(session)

    @route("GET", "/mfa", claims=[HasClaim("mfa")])
    async def mfa(session: Session, _request: Request) -> Any:
        return described(session)

    @route("GET", "/checked-mfa", check_database=True, claims=[HasClaim("mfa")])
    async def checked_mfa(session: Session, _request: Request) -> Any:
        return described(session)

    @route("GET", "/failing-claim", claims=[Failing()])
    async def failing_claim(session: Session, _request: Request) -> Any:
        return described(session)

    @route("POST", "/unprotected", enable_csrf_protection=False)
    async def unprotected(session: Session, _request: Request) -> Any:
        return described(session)

    @route("GET", "/protected", enable_csrf_protection=True)
    async def protected(session: Session, _request: Request) -> Any:
        return described(session)

    @route("POST", "/grant")
    async def grant(session: Session, _request: Request) -> Any:
        return await granted(session)

    @route("GET", "/data")
    async def data(session: Session, _request: Request) -> Any:
        return await session.get_session_data()

    @route("POST", "/revoke")
    async def revoke(session: Session, _request: Request) -> Any:
        await session.revoke_session()
        return {}

    @route("POST", "/revoke-others")
    async def revoke_others(session: Session, _request: Request) -> Any:
        return list(await session.revoke_other_sessions())

    _mounts(app, reseal)
    return app


def fastapi_app(reseal: FastAPIReseal, ran: list[str], **install: Any) -> FastAPI:
    app = FastAPI()
    reseal.install(app, **install)
    signed_in = Annotated[Session, Depends(reseal.session())]
    checked_session = Annotated[Session, Depends(reseal.session(check_database=True))]

    def entered(request: Request) -> None:
        ran.append(request.url.path)

    @app.post("/login")
    async def login(request: Request) -> dict[str, Any]:
        body = await request.json()
        session = await reseal.create_new_session(
            request, body["user_id"], body.get("jwt_payload"), body.get("session_data")
        )
        return described(session)

    @app.get("/plain")
    async def plain() -> PlainTextResponse:
        return PlainTextResponse("plain", headers={"cache-control": "public, max-age=60"})

    @app.post("/session/refresh/then/{how}", response_model=None)
    async def own_refresh(request: Request, how: str) -> Response:
        await reseal.refresh_session(request)
        return ending(how, ran)

    @app.post("/update/then/{how}", response_model=None)
    async def own_update(session: signed_in, how: str) -> Response:
        await session.update_jwt_payload({"updated": True})
        return ending(how, ran)

    @app.post("/login/then/{how}", response_model=None)
    async def own_login(request: Request, how: str) -> Response:
        await reseal.create_new_session(request, "alice")
        return ending(how, ran)

    @app.post("/revoke/then/{how}", response_model=None)
    async def own_revoke(session: signed_in, how: str) -> Response:
        await session.revoke_session()
        return ending(how, ran)

    @app.get("/read/then/{how}", response_model=None)
    async def read(session: signed_in, how: str) -> Response:
        return ending(how, ran)

    @app.api_route("/session/refresh/any", methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"], include_in_schema=False)
    async def any_refresh(request: Request) -> dict[str, Any]:
        await reseal.refresh_session(request)
        return {}

    @app.api_route("/signout/any", methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"], include_in_schema=False)
    async def any_sign_out(request: Request) -> dict[str, Any]:
        await reseal.sign_out(request)
        return {}

    @app.get("/me")
    async def me(request: Request, session: signed_in) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.post("/count")
    async def count(request: Request, session: signed_in) -> dict[str, Any]:
        entered(request)
        return await counted(session)

    @app.get("/checked")
    async def checked(request: Request, session: checked_session) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.get("/mfa")
    async def mfa(
        request: Request, session: Annotated[Session, Depends(reseal.session(claims=[HasClaim("mfa")]))]
    ) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.get("/checked-mfa")
    async def checked_mfa(
        request: Request,
        session: Annotated[Session, Depends(reseal.session(check_database=True, claims=[HasClaim("mfa")]))],
    ) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.get("/failing-claim")
    async def failing_claim(
        request: Request, session: Annotated[Session, Depends(reseal.session(claims=[Failing()]))]
    ) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.post("/unprotected")
    async def unprotected(
        request: Request, session: Annotated[Session, Depends(reseal.session(enable_csrf_protection=False))]
    ) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.get("/protected")
    async def protected(
        request: Request, session: Annotated[Session, Depends(reseal.session(enable_csrf_protection=True))]
    ) -> dict[str, Any]:
        entered(request)
        return described(session)

    @app.post("/grant")
    async def grant(request: Request, session: signed_in) -> dict[str, Any]:
        entered(request)
        return await granted(session)

    @app.get("/data")
    async def data(request: Request, session: signed_in) -> dict[str, Any]:
        entered(request)
        return await session.get_session_data()

    @app.post("/revoke")
    async def revoke(request: Request, session: signed_in) -> dict[str, Any]:
        entered(request)
        await session.revoke_session()
        return {}

    @app.post("/revoke-others")
    async def revoke_others(request: Request, session: signed_in) -> list[str]:
        entered(request)
        return list(await session.revoke_other_sessions())

    _mounts(app, reseal)
    return app


def _mounts(app: Starlette, reseal: StarletteReseal) -> None:
    async def inside(request: Request) -> Response:
        return JSONResponse(described(await reseal.get_session(request)))

    routes = Starlette()
    routes.router.add_route("/me", inside)
    reseal.install(routes, routes=False)
    app.mount("/sub", routes)
    app.router.routes.append(Mount("/private", app=Guarded(reseal)))
    app.mount("/static", StaticFiles(directory=FILES))
    app.router.add_websocket_route("/echo", echo)


class Framework:
    """An application factory and the ``Reseal`` that belongs to it."""

    def __init__(self, name: str, make: Any, reseal: Any) -> None:
        self.name = name
        self.make = make
        self.reseal = reseal

    def __call__(self, reseal: Any, ran: list[str], **install: Any) -> Any:
        return self.make(reseal, ran, **install)


FRAMEWORKS = {
    "fastapi": Framework("fastapi", fastapi_app, FastAPIReseal),
    "starlette": Framework("starlette", starlette_app, StarletteReseal),
}
