"""Django under ASGI with async views."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from reseal import HasClaim
from reseal.django.shortcuts import acreate_new_session, aget_session, apeek
from tests.django.pages import exempt
from tests.scenarios.apps.django import NAMES, DjangoApp, open_to_all, owned, page_of
from tests.scenarios.framework import PARTS, App, Given, counted, described


async def login(request: HttpRequest) -> HttpResponse:
    body = json.loads(request.body)
    return JsonResponse(described(await acreate_new_session(request, body["user_id"], body.get("jwt_payload"))))


async def me(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(await aget_session(request)))


async def checked(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(await aget_session(request, check_database=True)))


async def admin(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(await aget_session(request, claims=[HasClaim("admin")])))


async def count(request: HttpRequest) -> HttpResponse:
    session = await aget_session(request)
    return JsonResponse(await session.achange_session_data(counted))


async def grant(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described(await granted(request)))


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    await granted(request)

    async def parts() -> AsyncIterator[str]:
        for part in PARTS:
            yield part

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def boom(request: HttpRequest) -> HttpResponse:
    await granted(request)
    raise RuntimeError("the handler failed")


async def redirect(request: HttpRequest) -> HttpResponse:
    await granted(request)
    return HttpResponseRedirect("/open", status=303)


async def own(request: HttpRequest) -> HttpResponse:
    await granted(request)
    return owned()


async def revoke(request: HttpRequest) -> HttpResponse:
    await (await aget_session(request)).arevoke_session()
    return JsonResponse({})


async def page(request: HttpRequest) -> HttpResponse:
    return page_of(request, await apeek(request))


async def granted(request: HttpRequest) -> Any:
    session = await aget_session(request)
    await session.aupdate_jwt_payload({"admin": True})
    return session


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("open", open_to_all),
    *(path(name, exempt(globals()[name])) for name in NAMES),
]


class _Server:
    """A server without lifespan, which Django does not have."""

    def __init__(self, given: Given) -> None:
        self._transport = httpx.ASGITransport(ASGIHandler(), raise_app_exceptions=False, root_path=given.prefix)  # type: ignore[arg-type]

    async def send(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        await response.aread()
        response.request = request
        return response


def make(given: Given) -> App:
    return DjangoApp(_Server(given), given, __name__)
