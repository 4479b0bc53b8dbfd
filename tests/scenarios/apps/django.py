"""Django under WSGI with sync views. :mod:`tests.scenarios.apps.django_asgi` has the async ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import httpx
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import include, path

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.django.conf import Config
from reseal.django.sessions import Reseal, configured, using
from reseal.django.shortcuts import create_new_session, get_session, peek
from tests.django import project
from tests.django.pages import exempt
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp

project.configure()


def login(request: HttpRequest) -> HttpResponse:
    body = json.loads(request.body)
    return JsonResponse(described(create_new_session(request, body["user_id"], body.get("jwt_payload"))))


def me(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(get_session(request)))


def checked(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(get_session(request, check_database=True)))


def admin(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(get_session(request, claims=[HasClaim("admin")])))


def count(request: HttpRequest) -> HttpResponse:
    return JsonResponse(get_session(request).change_session_data(counted))


def grant(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(granted(request)))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    granted(request)

    def parts() -> Iterator[str]:
        yield from PARTS

    return StreamingHttpResponse(parts(), content_type="text/plain")


def boom(request: HttpRequest) -> HttpResponse:
    granted(request)
    raise RuntimeError("the handler failed")


def redirect(request: HttpRequest) -> HttpResponse:
    granted(request)
    return HttpResponseRedirect("/open", status=303)


def own(request: HttpRequest) -> HttpResponse:
    granted(request)
    return owned()


def revoke(request: HttpRequest) -> HttpResponse:
    get_session(request).revoke_session()
    return JsonResponse({})


def open_to_all(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("open", headers={"cache-control": "public, max-age=60"}, content_type="text/plain")


def page(request: HttpRequest) -> HttpResponse:
    return page_of(request, peek(request))


def page_of(request: HttpRequest, found: Any) -> HttpResponse:
    match found:
        case SignedIn(session):
            return HttpResponse(f"Welcome, {session.get_user_id()}")
        case RefreshFirst():
            return configured().refresh_first(request)
        case Anonymous():
            return HttpResponse("Welcome, stranger")
    raise AssertionError(found)


def granted(request: HttpRequest) -> Any:
    session = get_session(request)
    session.update_jwt_payload({"admin": True})
    return session


def owned() -> HttpResponse:
    """Answer with headers of the application's own; Django has cookies in a place of their own."""
    headers = dict(OWN)
    theme = headers.pop("set-cookie")
    response = HttpResponse(b"own", headers=headers)
    name, value = theme.partition(";")[0].split("=")
    response.set_cookie(name, value)
    return response


NAMES = ("login", "me", "checked", "admin", "count", "grant", "stream", "boom", "redirect", "own", "revoke", "page")
urlpatterns = [
    path("", include("reseal.django.urls")),
    path("open", open_to_all),
    *(path(name, exempt(globals()[name])) for name in NAMES),
]


class DjangoApp:
    """A project with the sessions of one test. The settings are those of the process: they are put back at the end."""

    def __init__(self, inner: Any, given: Given, urlconf: str) -> None:
        self._inner = inner
        self._given = given
        self._urlconf = urlconf
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        given = self._given
        self._stack.enter_context(override_settings(ROOT_URLCONF=self._urlconf))
        self._stack.enter_context(using(Reseal(Config(given.settings), **given.parts)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    async def send(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self._inner.send(request)
        if request.method == "HEAD":  # Django leaves it to servers to send no body
            return httpx.Response(response.status_code, headers=response.headers, request=request)
        return response


def make(given: Given) -> App:
    return DjangoApp(WsgiApp(WSGIHandler(), given.prefix), given, __name__)
