"""An application with sessions around it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

from reseal._sync.routing import Routing
from reseal.core.errors import ResealError
from reseal.web import responses
from reseal.web.cors import OwnOrigins
from reseal.web.responses import WebResponse
from reseal.wsgi.environ import (
    Environ,
    SessionMiddleware,
    StartResponse,
    Write,
    WSGIApp,
    facts,
    facts_with_body,
    outbox,
    read_to_the_end,
)
from reseal.wsgi.opening import Opening

REFUSAL: Final = "reseal.refusal"
"""Why the sessions could not be opened for a request."""
_FAILURE: Final = WebResponse(500, (("content-type", "text/plain; charset=utf-8"),), b"Internal Server Error")


class Wrapped:
    """One application, as the server calls it."""

    def __init__(
        self,
        app: WSGIApp,
        opening: Opening,
        answer: Callable[[Environ, ResealError], WebResponse],
        routing: Routing | None,
        origins: OwnOrigins | None,
    ) -> None:
        self._app = app
        self._opening = opening
        self._answer_to = answer
        self._routing = routing
        inner = with_origins(self._answered, origins) if origins else self._answered
        self._with_headers = SessionMiddleware(inner, has_routes=routing is not None)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if refusal := self._opening.refusal():
            environ[REFUSAL] = refusal
        return self._with_headers(environ, start_response)

    def replace(self, environ: Environ, start_response: StartResponse, error: Exception) -> list[bytes]:
        """Answer what the application raised. Raises it again where that is the server's business."""
        exc_info = sys.exc_info() if outbox(environ).sent else None  # a response that was begun may not have left yet
        return _sent(environ, start_response, self._answer(environ, error), exc_info)

    def _answer(self, environ: Environ, error: Exception) -> WebResponse:
        if isinstance(error, ResealError):
            return self._answer_to(environ, error)
        if not outbox(environ).touched:
            raise error
        traceback.print_exception(error, file=environ["wsgi.errors"])
        return _FAILURE  # the server's own answer would leave without the cookies

    def _answered(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            parts = self._parts(environ, start_response)
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            return self.replace(environ, start_response, error)
        if isinstance(parts, list | tuple) or type(parts) is environ.get("wsgi.file_wrapper"):
            return parts  # the server may know a faster way for these
        return _Parts(self, environ, start_response, parts)

    def _parts(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        endpoint = self._routing.find(environ["REQUEST_METHOD"], path) if self._routing else None
        if endpoint is None:
            return self._app(environ, start_response)
        if REFUSAL in environ:
            raise environ[REFUSAL]
        read = facts_with_body(environ) if endpoint.reads_body else facts(environ)
        return _sent(environ, start_response, endpoint.answer(read, outbox(environ)))


class _Parts:
    """The body of a response, of which only the first part can still be replaced by an answer to an error."""

    def __init__(
        self, wrapped: Wrapped, environ: Environ, start_response: StartResponse, parts: Iterable[bytes]
    ) -> None:
        self._wrapped = wrapped
        self._environ = environ
        self._start_response = start_response
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._parts)
        try:
            first = next(parts, b"")
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            yield from self._wrapped.replace(self._environ, self._start_response, error)
            return
        yield first
        yield from parts

    def close(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()


def respond(start_response: StartResponse, answer: WebResponse, exc_info: Any = None) -> list[bytes]:
    """Begin a response of the session's calls, and return its body, in an application without a framework."""
    headers = [*answer.headers, *responses.length(answer)]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers, *([exc_info] if exc_info else []))
    return [answer.body]


def _sent(environ: Environ, start_response: StartResponse, answer: WebResponse, exc_info: Any = None) -> list[bytes]:
    if answer.status == HTTPStatus.TEMPORARY_REDIRECT:
        read_to_the_end(environ)
    body = respond(start_response, answer, exc_info)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else body


def with_origins(app: WSGIApp, origins: OwnOrigins) -> WSGIApp:
    """Let pages of other origins call an application: it belongs around the headers of sessions."""

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = facts(environ)
        added = origins.headers(request)

        def start(status: str, theirs: list[tuple[str, str]], *exc_info: Any) -> Write:
            return start_response(status, [*theirs, *added], *exc_info)

        preflight = origins.preflight(request)
        return app(environ, start) if preflight is None else respond(start, preflight)

    return call
