"""Django: bare, with Reseal, with its sessions in the database, in a cookie, with simplejwt in the REST framework."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from calling import ORIGIN, Wsgi
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse

FOLDER = tempfile.TemporaryDirectory()
KEY = "a-secret-of-more-than-thirty-two-bytes"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
RESEAL = "reseal.django.middleware.SessionMiddleware"
ENGINE = "reseal.django.engine"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"

settings.configure(
    SECRET_KEY=KEY,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="django_apps",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "reseal.django",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(FOLDER.name) / "site.db")}},
    MIDDLEWARE=[],
    RESEAL={"api_domain": ORIGIN, "database_uri": f"sqlite:///{FOLDER.name}/sessions.db"},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402 - needs the settings
from django.core.management import call_command  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view, authentication_classes, permission_classes  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken  # noqa: E402

from reseal.django.protection import session_required  # noqa: E402
from reseal.django.rest_framework import SessionAuthentication  # noqa: E402
from reseal.django.shortcuts import create_new_session  # noqa: E402

call_command("migrate", verbosity=0)
get_user_model().objects.create_user("alice")


def bare(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": "alice"})


def feed(request: HttpRequest) -> JsonResponse:
    assert request.user.is_authenticated
    return JsonResponse({"user": request.user.get_username()})


def sign_in(request: HttpRequest) -> JsonResponse:
    login(request, get_user_model().objects.get(username="alice"))
    return JsonResponse({})


def sign_in_explicitly(request: HttpRequest) -> JsonResponse:
    create_new_session(request, get_user_model().objects.get(username="alice"))
    return JsonResponse({})


@session_required
def protected(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.reseal_session.get_user_id()})


@api_view()
@authentication_classes([SessionAuthentication])
@permission_classes([IsAuthenticated])
def rest_reseal(request: Any) -> Response:
    return Response({"user": request.user.get_username()})


@api_view()
@authentication_classes([])
@permission_classes([])
def rest_bare(_request: Any) -> Response:
    return Response({"user": "alice"})


@api_view()
@authentication_classes([JWTAuthentication])
@permission_classes([IsAuthenticated])
def rest_simplejwt(request: Any) -> Response:
    return Response({"user": request.user.get_username()})


@api_view()
@authentication_classes([JWTStatelessUserAuthentication])
@permission_classes([IsAuthenticated])
def rest_stateless(request: Any) -> Response:
    return Response({"user": request.user.id})


urlpatterns = [
    path("bare", bare),
    path("feed", feed),
    path("login", sign_in),
    path("login-explicitly", sign_in_explicitly),
    path("protected", protected),
    path("rest-reseal", rest_reseal),
    path("rest-bare", rest_bare),
    path("rest-simplejwt", rest_simplejwt),
    path("rest-stateless", rest_stateless),
]


def site(*middleware: str, **changes: Any) -> Callable[..., Any]:
    """Build a site; a handler keeps the middleware that it was built with."""
    from django.test.utils import override_settings

    with override_settings(MIDDLEWARE=list(middleware), **changes):
        return WSGIHandler()


def clients() -> dict[str, Wsgi]:
    token = str(AccessToken.for_user(get_user_model().objects.get(username="alice")))
    bearer = {"authorization": f"Bearer {token}"}
    return {
        "bare": Wsgi(site(), path="/bare"),
        "Reseal, @session_required": Wsgi(site(RESEAL), "/login-explicitly", path="/protected"),
        "Reseal in place of Django's session, its user": Wsgi(site(RESEAL, USERS, SESSION_ENGINE=ENGINE), "/login"),
        "Django's session in the database, its user": Wsgi(site(SESSIONS, USERS), "/login"),
        "bare, REST framework": Wsgi(site(), path="/rest-bare"),
        "Reseal, REST framework, its user": Wsgi(site(RESEAL), "/login-explicitly", path="/rest-reseal"),
        "simplejwt, its user": Wsgi(site(), headers=bearer, path="/rest-simplejwt"),
        "simplejwt, stateless": Wsgi(site(), headers=bearer, path="/rest-stateless"),
    }
