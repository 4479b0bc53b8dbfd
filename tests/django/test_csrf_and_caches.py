"""Beside Django's own protection against foreign forms, and in front of its caches."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import Client, modify_settings, override_settings
from django.urls import include, path
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt

from reseal.django.protection import session_required
from reseal.django.sessions import overridden
from reseal.django.shortcuts import create_new_session
from reseal.testing import ManualClock
from tests.django.pages import OWN_PAGE
from tests.django.site import login, plain
from tests.support.device import Device

pytestmark = pytest.mark.usefixtures("urls")
FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


def sign_in(request):
    create_new_session(request, "alice")
    return HttpResponse(get_token(request))


def form(request):
    return HttpResponse(get_token(request))


@session_required
def protected(request):
    return HttpResponse("done")


@cache_page(60)
@session_required
def personal(request):
    return HttpResponse(request.reseal_session.get_user_id())


def login_as(request, user_id):
    create_new_session(request, user_id)
    return HttpResponse()


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("login/<user_id>", csrf_exempt(login_as)),
    path("sign-in", sign_in),
    path("form", form),
    path("protected", protected),
    path("exempt", csrf_exempt(protected)),
    path("personal", personal),
    path("cached", cache_page(60)(plain)),
    path("plain", plain),
    path("personal-too", protected),
]


@pytest.fixture
def urls():
    with override_settings(ROOT_URLCONF=__name__, CSRF_TRUSTED_ORIGINS=["https://evil.example"]):
        cache.clear()
        yield
        cache.clear()


@pytest.fixture
def strict(reseal):
    """A client whose requests Django checks, as those of browsers. It is one of https."""
    return Client(enforce_csrf_checks=True, headers=OWN_PAGE, SERVER_NAME="api.example.com")


def test_the_ready_made_endpoints_need_no_csrf_token_of_django(strict):
    strict.post("/login", secure=True)
    assert strict.post("/session/refresh", secure=True).status_code == 200
    assert strict.post("/signout", secure=True).status_code == 200


def test_a_browser_binds_and_refreshes_its_session_without_a_csrf_token_of_django():
    device = Device()
    with overridden(clock=ManualClock(), device_binding="offer"):
        browser = Client(enforce_csrf_checks=True, SERVER_NAME="api.example.com")
        signed_in = browser.post("/login", secure=True, headers=OWN_PAGE)
        challenge = signed_in.headers["secure-session-registration"].rpartition('="')[2].rstrip('"')
        proof = {"secure-session-response": device.proof(challenge, brings_key=True)}
        assert browser.post("/session/refresh/bind", secure=True, headers=FOREIGN | proof).status_code == 401
        answer = browser.post("/session/refresh/bind", secure=True, headers=proof)
        named = {"sec-secure-session-id": f'"{answer.json()["session_identifier"]}"'}
        assert browser.post("/session/refresh/bound", secure=True, headers=named).status_code == 403
        challenge = answer.headers["secure-session-challenge"].partition('";')[0].lstrip('"')
        proof = {"secure-session-response": device.proof(challenge, brings_key=False)}
        assert browser.post("/session/refresh/bound", secure=True, headers=named | proof).json() == answer.json()


@pytest.mark.parametrize("path", ["/session/refresh", "/signout"])
def test_the_ready_made_endpoints_refuse_foreign_pages_all_the_same(strict, path):
    strict.post("/login", secure=True)
    assert strict.post(path, secure=True, headers=FOREIGN).status_code == 401


def test_a_view_of_your_own_is_checked_by_both(strict):
    strict.post("/login", secure=True)
    assert strict.post("/protected", secure=True).status_code == 403  # by Django
    token = strict.get("/form", secure=True).content.decode()
    assert strict.post("/protected", {"csrfmiddlewaretoken": token}, secure=True).content == b"done"
    foreign = strict.post("/protected", {"csrfmiddlewaretoken": token}, secure=True, headers=FOREIGN)
    assert foreign.status_code == 401  # by the session, although Django trusts that origin


def test_a_view_that_django_does_not_check_is_checked_by_the_session(strict):
    strict.post("/login", secure=True)
    assert strict.post("/exempt", secure=True).content == b"done"
    assert strict.post("/exempt", secure=True, headers=FOREIGN).status_code == 401


def test_a_sign_in_view_is_checked_by_django(strict):
    assert strict.post("/sign-in", secure=True).status_code == 403
    token = strict.get("/form", secure=True).content.decode()
    response = strict.post("/sign-in", {"csrfmiddlewaretoken": token}, secure=True)
    assert "__Host-sAccessToken" in response.cookies
    assert "csrftoken" in response.cookies


class TestCaches:
    @staticmethod
    def signed_in(user_id):
        client = Client(headers=OWN_PAGE)
        client.post(f"/login/{user_id}")
        return client

    def test_nobody_gets_the_page_of_another_from_a_cached_view(self, reseal):
        assert self.signed_in("alice").get("/personal").content == b"alice"
        assert self.signed_in("bob").get("/personal").content == b"bob"
        assert Client().get("/personal").status_code == 401

    def test_a_page_without_a_session_is_cached(self, reseal):
        first = Client().get("/cached")
        assert first["Cache-Control"] == "max-age=60"
        assert Client().get("/cached")["Expires"] == first["Expires"]

    def test_the_cache_of_the_whole_site_keeps_no_personal_page(self, reseal):
        middleware = [
            "django.middleware.cache.UpdateCacheMiddleware",
            "reseal.django.middleware.SessionMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ]
        with override_settings(MIDDLEWARE=middleware):
            alice = self.signed_in("alice")
            assert alice.get("/personal-too").status_code == 200
            reseal.sessions.revoke_all_sessions_for_user("alice")
            alice.cookies["other"] = "changed"
            assert alice.get("/personal-too").status_code == 200  # the access token lives on
            assert alice.get("/personal-too")["Cache-Control"] == "no-store"
            assert len(cache._cache) == 0
            Client().get("/plain")
            assert len(cache._cache) > 0


def test_a_conditional_request_keeps_the_session_headers(client):
    with modify_settings(MIDDLEWARE={"append": "django.middleware.http.ConditionalGetMiddleware"}):
        client.post("/login/alice")
        first = client.get("/personal-too")
        again = client.get("/personal-too", headers={"if-none-match": first["ETag"]})
        assert again.status_code == 304
        assert again["Cache-Control"] == "no-store"
