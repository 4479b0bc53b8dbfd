"""Refresh implementations as people write them at home, as applications of ASGI and WSGI: most of them have a fault."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from threading import Lock
from typing import Any

Refusing = Callable[["Session", str], tuple[int, str | None]]


@dataclass
class Session:
    current: str
    previous: str | None = None
    is_live: bool = True
    used: list[str] = field(default_factory=list)


class HomeMade:
    """Sessions with rotating refresh tokens. ``again`` decides on a refresh token that is not the current one.

    =============  ================================================================
    ``strict``     it is refused
    ``ends``       it is refused, and the session ends
    ``clears``     it is refused, and the cookies are deleted
    ``replaces``   it gets another successor, which replaces the one handed out before
    ``same``       the previous one gets the same successor; older ones end the session
    ``fails``      it is answered with status 500
    ``static``     there is no rotation
    =============  ================================================================
    """

    def __init__(self, again: str, *, forgets_sign_out: bool = False, in_bodies: bool = False) -> None:
        self._again = again
        self._forgets_sign_out = forgets_sign_out
        self._in_bodies = in_bodies
        self._sessions: list[Session] = []
        self._lock = Lock()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list[str], Any]:
        """Return status, ``Set-Cookie`` lines and body."""
        cookies = {key: morsel.value for key, morsel in SimpleCookie(headers.get("cookie", "")).items()}
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        access = bearer if self._in_bodies else cookies.get("access", "")
        with self._lock:
            match method, path:
                case "POST", "/login":
                    return self._begin()
                case "POST", "/token/refresh":
                    if not self._in_bodies:
                        return self._refresh(cookies.get("refresh", ""))
                    return self._refresh(json.loads(body)["refresh"] if body else bearer)
                case "POST", "/logout":
                    return self._end(access)
                case "GET", "/me":
                    return (200, [], "alice") if self._of(access) else (401, [], "who are you?")
        return 404, [], "not found"

    def _begin(self) -> tuple[int, list[str], Any]:
        session = Session(secrets.token_urlsafe(8))
        session.used.append(session.current)
        self._sessions.append(session)
        return self._give(session)

    def _give(self, session: Session) -> tuple[int, list[str], Any]:
        access = f"{self._sessions.index(session)}-{secrets.token_urlsafe(4)}"
        if self._in_bodies:
            return 200, [], {"access": access, "refresh": session.current}
        return 200, [f"access={access}; Path=/", f"refresh={session.current}; Path=/; HttpOnly"], "ok"

    def _refresh(self, token: str) -> tuple[int, list[str], Any]:
        session = next((each for each in self._sessions if token in each.used), None)
        if session is None or not session.is_live:
            return 401, [], "no session"
        if self._again == "static":
            return self._give(session)
        if token != session.current and not (self._again == "replaces" and token == session.previous):
            return self._met_again(session, token)
        session.previous, session.current = token, secrets.token_urlsafe(8)
        session.used.append(session.current)
        return self._give(session)

    def _met_again(self, session: Session, token: str) -> tuple[int, list[str], Any]:
        match self._again:
            case "same" if token == session.previous:
                return self._give(session)
            case "ends" | "same":
                session.is_live = False
            case "clears":
                return 401, ["access=; Path=/; Max-Age=0", "refresh=; Path=/; Max-Age=0"], "used before"
            case "fails":
                return 500, [], "duplicate key"
        return 401, [], "used before"

    def _end(self, access: str) -> tuple[int, list[str], Any]:
        session = self._of(access)
        if session is not None and not self._forgets_sign_out:
            session.is_live = False
        return 200, ["access=; Path=/; Max-Age=0", "refresh=; Path=/; Max-Age=0"], "bye"

    def _of(self, access: str) -> Session | None:
        number = access.partition("-")[0]
        session = self._sessions[int(number)] if number.isdigit() else None
        return session if session is not None and session.is_live else None


def asgi(site: HomeMade) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = (await receive())["body"]
        status, cookies, answer = site.answer(scope["method"], scope["path"], headers, body)
        lines = [(b"set-cookie", line.encode()) for line in cookies]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


def wsgi(site: HomeMade) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {key[5:].lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, cookies, answer = site.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body)
        start_response(f"{status} -", [("Set-Cookie", line) for line in cookies])
        return [json.dumps(answer).encode()]

    return app
