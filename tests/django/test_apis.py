"""Django REST framework and django-ninja: who is asking, and the lock in their OpenAPI pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.validation import validate_schema
from ninja import NinjaAPI
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from reseal import HasClaim
from reseal.django import spectacular
from reseal.django.ninja import SessionAuth
from reseal.django.protection import session_required
from reseal.django.rest_framework import SessionAuthentication
from reseal.django.shortcuts import create_new_session
from tests.django.pages import OPENED
from tests.django.site import login

FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
pytestmark = pytest.mark.usefixtures("urls")


class Me(APIView):
    authentication_classes = (SessionAuthentication, BasicAuthentication)
    permission_classes = (IsAuthenticated,)

    def get(self, request) -> Response:
        return Response({"name": request.user.username, "handle": request.auth.get_handle()})

    def post(self, request) -> Response:
        return Response({})


class Open(APIView):
    authentication_classes = (SessionAuthentication,)

    def get(self, request) -> Response:
        return Response({"anonymous": request.user.is_anonymous})


def permissions() -> list[str]:
    """What Django's database says, which may not be asked in an event loop."""
    return [user.username for user in get_user_model().objects.all()]


class Empty(Serializer):
    pass


class SignIn(APIView):
    authentication_classes = ()

    def post(self, request) -> Response:
        session = create_new_session(request, "alice", {"permissions": permissions()})
        session.update_jwt_payload({"changed": True})
        return Response({})


class Protected(APIView):
    authentication_classes = ()

    @method_decorator(session_required(refresh_pages=False))
    def get(self, request) -> Response:
        return Response(request.reseal_session.get_jwt_payload())


class Described(Me):
    serializer_class = Empty
    schema = AutoSchema()


class Elsewhere(SessionAuthentication):
    check_database = True

    def get_user(self, session) -> Any:
        return type("Person", (), {"username": session.get_user_id(), "is_authenticated": True})()


class MeElsewhere(Me):
    authentication_classes = (Elsewhere,)


ninja = NinjaAPI(auth=SessionAuth())


@ninja.get("/me")
def me(request) -> dict[str, str]:
    return {"user": request.auth.get_user_id()}


@ninja.get("/ame")
async def ame(request) -> dict[str, str]:
    return {"user": request.auth.get_user_id()}


@ninja.post("/post")
def post(request) -> dict[str, str]:
    return {}


@ninja.get("/admins", auth=SessionAuth(claims=[HasClaim("admin")], check_database=True))
async def admins(request) -> dict[str, str]:
    return {}


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("drf/me", Me.as_view()),
    path("drf/sign-in", SignIn.as_view()),
    path("drf/protected", cache_page(60)(Protected.as_view())),
    path("drf/open", Open.as_view()),
    path("drf/elsewhere", MeElsewhere.as_view()),
    path("ninja/", ninja.urls),
]


@pytest.fixture
def urls():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def signed_in(client, user, rf):
    """A client with the session of a user of Django."""
    from django.http import HttpResponse

    from reseal.django import requests

    request = rf.post("/login")
    create_new_session(request, user)
    response = HttpResponse()
    requests.deliver(request.reseal_headers, request, response)
    client.cookies.update(response.cookies)
    return client


class TestRestFramework:
    def test_the_user_is_the_sessions(self, signed_in):
        response = signed_in.get("/drf/me")
        assert response.json()["name"] == "alice"
        assert response["Cache-Control"] == "no-store"

    def test_nobody_is_anonymous(self, client):
        assert client.get("/drf/open").json() == {"anonymous": True}
        refused = client.get("/drf/me")
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")

    def test_an_expired_token_is_to_be_refreshed(self, signed_in, clock, reseal):
        clock.advance(reseal.settings.access_token_ms)
        for view in ("/drf/me", "/drf/open"):
            assert signed_in.get(view).json() == {"message": "try refresh token"}
        assert signed_in.post("/session/refresh").status_code == 200
        assert signed_in.get("/drf/me").status_code == 200

    def test_a_page_of_the_api_refreshes_first(self, signed_in, clock, reseal):
        clock.advance(reseal.settings.access_token_ms)
        assert b"<form" in signed_in.get("/drf/me", headers=OPENED).content

    def test_a_foreign_page_is_refused(self, signed_in):
        assert signed_in.post("/drf/me").status_code == 200
        assert signed_in.post("/drf/me", headers=FOREIGN).status_code == 401

    @pytest.mark.parametrize("change", ["deactivated", "deleted"])
    def test_a_user_who_is_gone_is_refused(self, signed_in, user, change):
        if change == "deleted":
            user.delete()
        else:
            user.is_active = False
            user.save()
        response = signed_in.get("/drf/me")
        assert response.status_code == 401
        assert "not active" in response.json()["detail"]

    def test_an_id_that_is_no_primary_key_is_nobodys(self, client, user):
        client.post("/login")
        assert client.get("/drf/me").status_code == 401

    def test_users_may_live_elsewhere(self, client, reseal):
        client.post("/login")
        assert client.get("/drf/elsewhere").json()["name"] == "alice"
        reseal.sessions.revoke_all_sessions_for_user("alice")
        assert client.get("/drf/elsewhere").status_code == 401

    def test_a_broken_store_is_no_sign_out(self, client, reseal, monkeypatch):
        from reseal.core.errors import StoreUnavailable

        def away(*_, **__):
            raise StoreUnavailable

        client.post("/login")
        monkeypatch.setattr(reseal.sessions.backend.inner, "check", away)
        assert client.get("/drf/elsewhere").status_code == 503

    def test_the_lock_is_in_the_openapi_page(self, reseal):
        assert spectacular.SessionScheme.priority == 0
        page = SchemaGenerator(patterns=[path("me", Described.as_view())]).get_schema(public=True)
        validate_schema(page)
        schemes = page["components"]["securitySchemes"]
        assert schemes["sessionCookie"] == {"type": "apiKey", "in": "cookie", "name": "__Host-sAccessToken"}
        assert schemes["sessionToken"]["scheme"] == "bearer"
        assert page["paths"]["/me"]["get"]["security"] == [
            {"sessionCookie": []},
            {"sessionToken": []},
            {"basicAuth": []},
        ]

    def test_the_request_of_the_framework_will_do(self, client, user, clock, reseal):
        assert "__Host-sAccessToken" in client.post("/drf/sign-in").cookies
        assert client.get("/drf/protected").json() == {"changed": True}
        client.cookies.clear()
        assert client.get("/drf/protected").status_code == 401  # it was not cached

    def test_a_view_of_the_framework_can_choose_not_to_refresh(self, client, user, clock, reseal):
        client.post("/drf/sign-in")
        clock.advance(reseal.settings.access_token_ms)
        assert client.get("/drf/protected", headers=OPENED).json() == {"message": "try refresh token"}

    async def test_the_database_of_django_is_asked_under_asgi(self, aclient, user):
        assert (await aclient.post("/drf/sign-in")).status_code == 200
        assert (await aclient.get("/drf/protected")).json() == {"changed": True}


class TestNinja:
    @pytest.mark.parametrize("view", ["/ninja/me", "/ninja/ame"])
    def test_a_session_is_demanded(self, client, clock, reseal, view):
        assert client.get(view).json() == {"message": "unauthorised", "reason": "no_token"}
        client.post("/login")
        assert client.get(view).json() == {"user": "alice"}
        clock.advance(reseal.settings.access_token_ms)
        assert client.get(view).json() == {"message": "try refresh token"}
        client.post("/session/refresh")
        assert client.get(view).json() == {"user": "alice"}

    @pytest.mark.parametrize("view", ["/ninja/me", "/ninja/ame"])
    async def test_a_session_is_demanded_under_asgi(self, aclient, clock, reseal, view):
        assert (await aclient.get(view)).json() == {"message": "unauthorised", "reason": "no_token"}
        await aclient.post("/login")
        assert (await aclient.get(view)).json() == {"user": "alice"}
        clock.advance(reseal.settings.access_token_ms)
        await aclient.post("/session/refresh")
        assert (await aclient.get(view)).json() == {"user": "alice"}

    def test_claims_are_demanded(self, client):
        client.post("/login")
        assert client.get("/ninja/admins").status_code == 403

    def test_a_foreign_page_is_refused(self, client):
        client.post("/login")
        assert client.post("/ninja/post").status_code == 200
        assert client.post("/ninja/post", headers=FOREIGN).status_code == 401

    def test_the_lock_is_in_the_openapi_page(self, client):
        page = client.get("/ninja/openapi.json").json()
        assert page["components"]["securitySchemes"]["SessionAuth"] == {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-sAccessToken",
        }
        assert page["paths"]["/ninja/me"]["get"]["security"] == [{"SessionAuth": []}]
