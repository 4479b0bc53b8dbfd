"""What any application of WSGI needs: requests as facts, session headers on responses, and an opening (PEP 3333)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec

from reseal._sync.reseal import Reseal as Sessions
from reseal.forks import PerProcess
from reseal.web import bearer
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

Environ: TypeAlias = dict[str, Any]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_OUTBOX: Final = "reseal.headers"
_UNPREFIXED: Final = (("CONTENT_TYPE", b"content-type"), ("CONTENT_LENGTH", b"content-length"))


def facts(environ: Environ) -> RequestFacts:
    """Read a request, without its body."""
    return RequestFacts(
        environ["REQUEST_METHOD"].upper(),
        _text(environ.get("PATH_INFO", "")),
        tuple(headers(environ)),
        environ.get("REMOTE_ADDR") or None,
        root_path=_text(environ.get("SCRIPT_NAME", "")),
        query_string=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
    )


def facts_with_body(environ: Environ) -> RequestFacts:
    """Read a request with its body, where that may hold a token. The application can read the body once more."""
    head = facts(environ)
    if not bearer.may_have_body(head):
        return head
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))  # of limited length: see may_have_body
    environ["wsgi.input"] = io.BytesIO(body)
    return msgspec.structs.replace(head, body=body)


def target(environ: Environ) -> str:
    """Return path and query as the application sees them, encoded for a URL."""
    path = quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def outbox(environ: Environ) -> SessionHeaders:
    """Return the headers that will leave with the response. Raises ``RuntimeError`` where nothing sends them."""
    headers = environ.get(_OUTBOX)
    if isinstance(headers, SessionHeaders):
        return headers
    raise RuntimeError("sessions are not installed in this application: wrap it in reseal.wsgi.SessionMiddleware")


def attached(environ: Environ) -> SessionHeaders:
    """Return the headers of the response; for a request without one, as a test makes them, begin them here."""
    return outbox(environ) if _OUTBOX in environ else environ.setdefault(_OUTBOX, SessionHeaders())


class Opening:
    """Opens the sessions before the first request that needs them, in whatever thread that comes."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._is_open = False  # a forked child finds the stores open: each resource is one of its own process
        self._lock = PerProcess(threading.Lock)

    def ensure(self) -> None:
        """Open the sessions unless they are open. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        if self._is_open:
            return
        with self._lock.here():
            if not self._is_open:
                self._sessions.open()
                self._is_open = True

    def close(self) -> None:
        """Close the sessions; the next request opens them again."""
        self._is_open = False
        self._sessions.close()


class SessionMiddleware:
    """Adds the session's headers to the response. It belongs outside everything else.

    An error page must carry the cookies of a refresh as well.
    """

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = environ[_OUTBOX] = SessionHeaders()

        def start(status: str, theirs: list[tuple[str, str]], *exc_info: Any) -> Write:
            return start_response(status, merged(headers, theirs), *exc_info)

        return self._app(environ, start)


def merged(headers: SessionHeaders, theirs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the final headers of a response that has these of its own."""
    if not headers.touched:
        headers.sent = True
        return theirs
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in theirs]
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.merge_into(raw)]


def headers(environ: Environ) -> Iterator[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1", "replace")
    for key, name in _UNPREFIXED:
        if value := environ.get(key):
            yield name, value.encode("latin-1", "replace")


def _text(path: str) -> str:
    """Read a path, which WSGI gives as bytes in the form of Latin-1 text."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
