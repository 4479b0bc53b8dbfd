"""The same views in async code, by the async session methods of Django 5.1 and later."""

from __future__ import annotations

import json

from django.contrib.auth import aauthenticate, alogin, alogout
from django.http import HttpRequest, HttpResponse, JsonResponse


async def whoami(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(user.username or "nobody")


async def sign_in(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(request, username=request.POST["username"], password=request.POST["password"])
    await alogin(request, user)
    return HttpResponse(user.username)


async def sign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


async def data(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        await request.session.aupdate(json.loads(request.body))
    return JsonResponse({key: value for key, value in await request.session.aitems() if not key.startswith("_")})
