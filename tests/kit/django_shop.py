"""The shop in Django: an URLconf, for the project of the tests."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from reseal.django.shortcuts import aget_session, create_new_session, get_session
from tests.django import project

project.configure()


@csrf_exempt
def login(request: HttpRequest) -> JsonResponse:
    create_new_session(request, request.GET.get("user", "alice"))
    return JsonResponse({})


def me(request: HttpRequest) -> JsonResponse:
    return JsonResponse(get_session(request).get_user_id(), safe=False)


async def me_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse((await aget_session(request)).get_user_id(), safe=False)


@csrf_exempt
def echo(request: HttpRequest) -> JsonResponse:
    return JsonResponse(f"{get_session(request).get_user_id()}: {request.body.decode()}", safe=False)


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("me", me),
    path("me/async", me_async),
    path("echo", echo),
]
