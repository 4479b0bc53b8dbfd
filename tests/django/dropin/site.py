"""The site of that project. Its views know nothing of Reseal, except for three that use both."""

from __future__ import annotations

import json
import sys

from django.contrib import admin, messages
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reseal.django.protection import session_required
from reseal.django.rest_framework import SessionAuthentication
from reseal.django.shortcuts import peek
from tests.django.dropin import project


def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.username or "nobody")


def sign_in(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    if "remember" in request.GET:  # a package that notes the key, and has a box "remember me"
        assert request.session.session_key
        request.session.set_expiry(0)
    return HttpResponse(user.username)


sign_in.login_required = False  # for LoginRequiredMiddleware


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse()


def data(request: HttpRequest) -> HttpResponse:
    """Read the session's data, or write what is posted."""
    if request.method == "POST":
        request.session.update(json.loads(request.body))
    return JsonResponse({key: value for key, value in request.session.items() if not key.startswith("_")})


def key(request: HttpRequest) -> HttpResponse:
    if not request.session.session_key:
        request.session.create()
    return HttpResponse(request.session.session_key)


def note(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        sent = request.FILES.get("file")
        project.NOTES.append(request.POST["note"] + (f" with {sent.size} bytes" if sent else ""))
        messages.success(request, "Saved.")
    return render(request, "note.html")


@session_required
def session(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.reseal_session.get_user_id())


def look(request: HttpRequest) -> HttpResponse:
    return HttpResponse(type(peek(request)).__name__)


class Rest(APIView):
    authentication_classes = (SessionAuthentication,)

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username() if request.auth else None})


if hasattr(SessionBase, "aget"):
    from tests.django.dropin import async_views as again
else:
    again = sys.modules[__name__]

urlpatterns = [
    path("", include("reseal.django.urls")),
    path("admin/", admin.site.urls),
    path("session", session),
    path("peek", look),
    path("rest", Rest.as_view()),
    path("public", public),
    path("whoami", whoami),
    path("awhoami", again.whoami),
    path("sign-in", csrf_exempt(sign_in)),
    path("asign-in", csrf_exempt(again.sign_in)),
    path("sign-out", csrf_exempt(sign_out)),
    path("asign-out", csrf_exempt(again.sign_out)),
    path("data", csrf_exempt(data)),
    path("adata", csrf_exempt(again.data)),
    path("key", key),
    path("note", note),
    path("private", login_required(whoami, login_url="/accounts/login")),
    path("accounts/login", LoginView.as_view(template_name="login.html")),
]
