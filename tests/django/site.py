"""The views of the tests' project."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from reseal.core.errors import StoreUnavailable
from reseal.django.shortcuts import acreate_new_session, aget_session, create_new_session, get_session, sign_out
from tests.django.pages import exempt


@exempt
def login(request: HttpRequest) -> HttpResponse:
    create_new_session(request, "alice")
    return JsonResponse({"status": "OK"})


@exempt
async def alogin(request: HttpRequest) -> HttpResponse:
    await acreate_new_session(request, "alice")
    return JsonResponse({"status": "OK"})


def feed(request: HttpRequest) -> HttpResponse:
    return JsonResponse([f"Welcome, {get_session(request).get_user_id()}"], safe=False)


async def afeed(request: HttpRequest) -> HttpResponse:
    return JsonResponse([f"Welcome, {(await aget_session(request)).get_user_id()}"], safe=False)


async def sync_call_in_async_view(request: HttpRequest) -> HttpResponse:
    session = await aget_session(request)
    session.update_session_data({"cart": []})
    return HttpResponse()


@exempt
def login_and_stream(request: HttpRequest) -> StreamingHttpResponse:
    create_new_session(request, "alice")

    def parts() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingHttpResponse(parts())


@exempt
def login_and_redirect(request: HttpRequest) -> HttpResponse:
    create_new_session(request, "alice")
    response = HttpResponseRedirect("/feed")
    response.set_cookie("own", "kept")
    return response


@exempt
def login_and_fail(request: HttpRequest) -> HttpResponse:
    create_new_session(request, "alice")
    raise ZeroDivisionError


@exempt
def out(request: HttpRequest) -> HttpResponse:
    sign_out(request)
    return HttpResponse()


def store_away(request: HttpRequest) -> HttpResponse:
    raise StoreUnavailable


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("alogin", alogin),
    path("feed", feed),
    path("afeed", afeed),
    path("sync-call-in-async-view", sync_call_in_async_view),
    path("login-and-stream", login_and_stream),
    path("login-and-redirect", login_and_redirect),
    path("login-and-fail", login_and_fail),
    path("out", out),
    path("store-away", store_away),
    path("plain", plain),
]
