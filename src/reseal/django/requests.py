"""How a request of Django is read, and how the session's headers get into its response."""

from __future__ import annotations

from contextlib import suppress
from http.cookies import Morsel
from typing import TYPE_CHECKING, Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from reseal import wsgi
from reseal.django.browser_close import ClosingHeaders
from reseal.web import bearer
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

OUTBOX: Final = "reseal_headers"
_SET_COOKIE: Final = "set-cookie"
_CHUNK: Final = 1 << 16


def facts(request: HttpRequest) -> RequestFacts:
    """Read a request, without its body. Under ASGI as well, Django gives the headers in the form of WSGI."""
    return wsgi.facts_of(request.META, request.method or "GET", request.path_info, request.META.get("SCRIPT_NAME", ""))


def facts_with_body(request: HttpRequest) -> RequestFacts:
    """Read a request with its body, where that may hold a token."""
    head = facts(request)
    return msgspec.structs.replace(head, body=request.body) if bearer.may_have_body(head) else head


def read_to_the_end(request: HttpRequest) -> None:
    """Read what is left of the body: a connection closed while the browser still sends has no answer for it."""
    with suppress(UnreadablePostError):  # the browser has gone
        while request.read(_CHUNK):
            pass


def outbox(request: HttpRequest) -> SessionHeaders:
    """Return the headers that will leave with the response. Raises ``RuntimeError`` where nothing sends them.

    Django's cache keeps no page from here on: it would not know whose page that is.
    """
    headers = getattr(request, OUTBOX, None)
    if not isinstance(headers, SessionHeaders):
        raise RuntimeError(  # noqa: TRY004 - it is the middleware that is missing
            "this request did not pass through Reseal's middleware: "
            'put "reseal.django.middleware.SessionMiddleware" into MIDDLEWARE'
        )
    plain(request)._cache_update_cache = False  # type: ignore[attr-defined]  # noqa: SLF001 - what Django's cache asks
    return headers


def plain(request: HttpRequest) -> HttpRequest:
    """Return Django's own request where a framework has wrapped it, as Django REST framework does."""
    found: HttpRequest = getattr(request, "_request", request)
    return found


def begin(request: HttpRequest) -> SessionHeaders:
    """Give a request the headers of its response."""
    headers = ClosingHeaders()
    setattr(request, OUTBOX, headers)
    return headers


def deliver(headers: SessionHeaders, request: HttpRequest, response: HttpResponseBase) -> None:
    """Put the session's headers into the response, whatever its kind."""
    if not headers.touched:
        headers.sent = True
        return
    request._cache_update_cache = False  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    theirs = dict(response.items())
    for name, value in headers.merge_into_text(list(theirs.items())):
        if name == _SET_COOKIE:
            _add_cookie(response, value)
        elif theirs.get(name) != value:
            response.headers[name] = value


def response_of(answer: WebResponse) -> HttpResponse:
    """Make the response of Django."""
    return HttpResponse(answer.body, status=answer.status, headers=dict(_titled(answer)))


def _titled(answer: WebResponse) -> list[tuple[str, str]]:
    return [("-".join(part.capitalize() for part in name.split("-")), value) for name, value in answer.headers]


def _add_cookie(response: HttpResponseBase, text: str) -> None:
    """Add a ``Set-Cookie`` line. Django has one cookie a name; the same name in another place gets a key of its own."""
    line = _Line(text)
    key = line.key if line.key not in response.cookies else text
    dict.__setitem__(response.cookies, key, line)


class _Line(Morsel[str]):
    """A cookie that is written exactly as our own text says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        pair, *attributes = text.split("; ")
        name, _, value = pair.partition("=")
        self.set(name, value, value)
        for attribute in attributes:
            key, found, content = attribute.partition("=")
            if self.isReservedKey(key):
                self[key] = content if found else True
        self._text = text

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802, ARG002 - the name of the standard library
        return self._text
