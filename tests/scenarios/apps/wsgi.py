from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.wsgi import Environ, Reseal, Session, respond
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp

Start = Callable[..., Any]
READING = ("me", "checked", "admin", "open", "page")
CHANGING = ("me", "login", "count", "grant", "stream", "boom", "redirect", "own", "revoke")
ROUTES = {"GET": READING, "HEAD": READING, "POST": CHANGING}


class Application:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        name = environ["PATH_INFO"][1:]
        if name not in ROUTES.get(environ["REQUEST_METHOD"], ()):
            return answer(start, b"no such route", status="404 Not Found")
        parts: Iterable[bytes] = getattr(self, name)(environ, start)
        return parts if environ["REQUEST_METHOD"] != "HEAD" else []

    def login(self, environ: Environ, start: Start) -> Iterable[bytes]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        session = self.reseal.create_new_session(environ, body["user_id"], body.get("jwt_payload"))
        return answer(start, described(session))

    def me(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, described(self.reseal.get_session(environ)))

    def checked(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, described(self.reseal.get_session(environ, check_database=True)))

    def admin(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, described(self.reseal.get_session(environ, claims=[HasClaim("admin")])))

    def count(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, self.reseal.get_session(environ).change_session_data(counted))

    def grant(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, described(self.granted(environ)))

    def stream(self, environ: Environ, start: Start) -> Iterator[bytes]:
        self.granted(environ)  # in a generator: at the first part
        start("200 OK", [("content-type", "text/plain")])
        for part in PARTS:
            yield part.encode()

    def boom(self, environ: Environ, _start: Start) -> Iterable[bytes]:
        self.granted(environ)
        raise RuntimeError("the handler failed")

    def redirect(self, environ: Environ, start: Start) -> Iterable[bytes]:
        self.granted(environ)
        return answer(start, b"", {"location": "/open"}, status="303 See Other")

    def own(self, environ: Environ, start: Start) -> Iterable[bytes]:
        self.granted(environ)
        return answer(start, b"own", OWN)

    def revoke(self, environ: Environ, start: Start) -> Iterable[bytes]:
        self.reseal.get_session(environ).revoke_session()
        return answer(start, {})

    def open(self, _environ: Environ, start: Start) -> Iterable[bytes]:
        return answer(start, b"open", {"content-type": "text/plain", "cache-control": "public, max-age=60"})

    def page(self, environ: Environ, start: Start) -> Iterable[bytes]:
        match self.reseal.peek(environ):
            case SignedIn(session):
                return answer(start, f"Welcome, {session.get_user_id()}".encode())
            case RefreshFirst():
                return respond(start, self.reseal.refresh_first(environ))
            case Anonymous():
                return answer(start, b"Welcome, stranger")

    def granted(self, environ: Environ) -> Session:
        session = self.reseal.get_session(environ)
        session.update_jwt_payload({"admin": True})
        return session


def answer(start: Start, body: Any, headers: dict[str, str] | None = None, status: str = "200 OK") -> Iterable[bytes]:
    is_bytes = isinstance(body, bytes)
    said = headers or {"content-type": "text/html" if is_bytes else "application/json"}
    start(status, list(said.items()))
    return [body if is_bytes else json.dumps(body).encode()]


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    return WsgiApp(reseal.wrap(Application(reseal), cors=True), given.prefix, closing=reseal.close)
