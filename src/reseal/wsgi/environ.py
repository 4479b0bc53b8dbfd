"""Requests of WSGI as facts, and the session's headers on their responses (PEP 3333)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec

from reseal.web import bearer
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

Environ: TypeAlias = dict[str, Any]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_OUTBOX: Final = "reseal.headers"
_ROOT: Final = "reseal.script_name"
"""Where the application is whose routes refresh the session. Further in, mounts add to ``SCRIPT_NAME``."""
_CHUNK: Final = 1 << 16
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
"""Headers whose keys have no prefix. WSGI may give them empty where the client sent none."""


class EnvironFacts(RequestFacts, frozen=True):
    """A request of WSGI, whose headers are read one by one: most requests need two of them."""

    environ: Environ = msgspec.field(default_factory=dict)

    @property  # type: ignore[misc]  # in place of the field, which holds what ASGI gives
    def raw(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(headers(self.environ))

    @property
    def credentials(self) -> tuple[list[bytes], list[bytes], bool]:
        authorization, cookie = self.environ.get("HTTP_AUTHORIZATION"), self.environ.get("HTTP_COOKIE")
        return (
            [] if authorization is None else [_bytes(authorization)],
            [] if cookie is None else [_bytes(cookie)],
            "HTTP_SEC_WEBSOCKET_KEY" in self.environ,
        )

    def all(self, name: str) -> tuple[str, ...]:
        key = _key(name)
        value = self.environ.get(key)
        return () if value is None or (not value and key in _UNPREFIXED) else (value,)


def facts(environ: Environ) -> RequestFacts:
    """Read a request, without its body."""
    root, path = _place(environ)
    return facts_of(environ, environ["REQUEST_METHOD"], _text(path), _text(root))


def facts_of(environ: Environ, method: str, path: str, root_path: str) -> RequestFacts:
    """Join an environ and what a framework has read from it."""
    query = environ.get("QUERY_STRING")
    return EnvironFacts(
        method.upper(),
        path,
        (),
        environ.get("REMOTE_ADDR") or None,
        root_path=root_path,
        query_string=_bytes(query) if query else b"",
        environ=environ,
    )


def facts_with_body(environ: Environ) -> RequestFacts:
    """Read a request with its body, where that may hold a token. The application can read the body once more."""
    head = facts(environ)
    if not bearer.may_have_body(head):
        return head
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))  # of limited length: see may_have_body
    environ["wsgi.input"] = io.BytesIO(body)
    return msgspec.structs.replace(head, body=body)


def read_to_the_end(environ: Environ) -> None:
    """Read what is left of the body: a connection closed while the browser still sends has no answer for it.

    Only where the server marks the end, or reading could wait for ever.
    """
    while environ.get("wsgi.input_terminated") and environ["wsgi.input"].read(_CHUNK):
        pass


def target(environ: Environ) -> str:
    """Return path and query as the application sees them, encoded for a URL."""
    path = quote(_place(environ)[1].encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def outbox(environ: Environ) -> SessionHeaders:
    """Return the headers that will leave with the response. Raises ``RuntimeError`` where nothing sends them."""
    headers = environ.get(_OUTBOX)
    if isinstance(headers, SessionHeaders):
        return headers
    raise RuntimeError(
        "sessions are not installed around this code: call app = reseal.wrap(app) after every other middleware, and "
        "have the server run the result"
    )


def attached(environ: Environ) -> SessionHeaders:
    """Return the headers of the response; for a request without one, as a test makes them, begin them here."""
    return outbox(environ) if _OUTBOX in environ else environ.setdefault(_OUTBOX, SessionHeaders())


class SessionMiddleware:
    """Adds the session's headers to the response. It belongs outside everything else.

    An error page must carry the cookies of a refresh as well.
    """

    def __init__(self, app: WSGIApp, *, has_routes: bool = True) -> None:
        self._app = app
        self._has_routes = has_routes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if self._has_routes or _ROOT not in environ:
            environ[_ROOT] = environ.get("SCRIPT_NAME", "")
        headers = environ[_OUTBOX] = SessionHeaders()

        def start(status: str, theirs: list[tuple[str, str]], *exc_info: Any) -> Write:
            return start_response(status, merged(headers, theirs), *exc_info)

        return self._app(environ, start)


def merged(headers: SessionHeaders, theirs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the final headers of a response that has these of its own."""
    return headers.merge_into_text(theirs)


def headers(environ: Environ) -> list[tuple[bytes, bytes]]:
    """List the headers of a request, in the form of ASGI. WSGI has joined those of one name."""
    return [
        (name, _bytes(value))
        for key, value in environ.items()
        if (name := _header(key)) is not None and (value or key not in _UNPREFIXED)
    ]


@lru_cache(maxsize=512)
def _header(key: str) -> bytes | None:
    """Return the name of a header by its key in the environ; ``None`` for a key of another kind."""
    if key.startswith("HTTP_"):
        key = key.removeprefix("HTTP_")
    elif key not in _UNPREFIXED:
        return None
    return key.replace("_", "-").lower().encode("latin-1", "replace")


@lru_cache(maxsize=64)
def _key(name: str) -> str:
    """Return the key of a header by its name. The names are ours."""
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else f"HTTP_{key}"


def _bytes(value: str) -> bytes:
    return value.encode("latin-1", "replace")


def _place(environ: Environ) -> tuple[str, str]:
    """Return where the application is, and the path of a request within it."""
    script: str = environ.get("SCRIPT_NAME", "")
    root: str = environ.get(_ROOT, script)
    return root, script[len(root) :] + environ.get("PATH_INFO", "")


@lru_cache(maxsize=256)
def _text(path: str) -> str:
    """Read a path, which WSGI gives as bytes in the form of Latin-1 text."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
