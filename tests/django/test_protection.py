"""Views that demand a session: what they see of it, and what a request without one is answered with."""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from reseal import HasClaim
from reseal.django.protection import SessionRequiredMixin, session_required
from tests.django.pages import OPENED
from tests.django.site import login

pytestmark = pytest.mark.usefixtures("urls")


@session_required
def bare(request):
    return HttpResponse(request.reseal_session.get_user_id())


@session_required(check_database=True)
async def checked(request):
    return HttpResponse(request.reseal_session.get_user_id())


@session_required(claims=[HasClaim("admin")])
def admins(request):
    return HttpResponse("admins")


@session_required(login_url="/sign-in?by=mail")
def page(request):
    return HttpResponse("page")


@session_required(refresh_pages=False)
async def no_page(request):
    return HttpResponse("no page")


class Decorated(View):
    @method_decorator(session_required)
    def get(self, request):
        return HttpResponse(request.reseal_session.get_user_id())

    @method_decorator(session_required)
    def post(self, request):
        return HttpResponse("posted")


class Mixed(SessionRequiredMixin, View):
    session_login_url = "/sign-in"

    def get(self, request):
        return HttpResponse(request.reseal_session.get_user_id())


class MixedAsync(SessionRequiredMixin, View):
    session_check_database = True

    async def get(self, request):
        return HttpResponse(request.reseal_session.get_user_id())


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("login", login),
    path("bare", bare),
    path("checked", checked),
    path("admins", admins),
    path("page", page),
    path("no-page", no_page),
    path("decorated", Decorated.as_view()),
    path("mixed", Mixed.as_view()),
    path("mixed-async", MixedAsync.as_view()),
]
EVERY = ["/bare", "/checked", "/decorated", "/mixed", "/mixed-async"]


@pytest.fixture
def urls():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.mark.parametrize("view", EVERY)
def test_a_view_has_the_session(client, view):
    assert client.get(view).status_code == 401
    client.post("/login")
    assert client.get(view).content == b"alice"


@pytest.mark.parametrize("view", EVERY)
async def test_a_view_has_the_session_under_asgi(aclient, view):
    assert (await aclient.get(view)).status_code == 401
    await aclient.post("/login")
    assert (await aclient.get(view)).content == b"alice"


@pytest.mark.parametrize("view", ["/checked", "/mixed-async"])
def test_the_store_can_be_asked(client, reseal, view):
    client.post("/login")
    assert client.get(view).status_code == 200
    reseal.sessions.revoke_all_sessions_for_user("alice")
    assert client.get("/bare").status_code == 200
    assert client.get(view).json() == {"message": "unauthorised", "reason": "user_revoked"}


def test_a_missing_claim_is_forbidden(client):
    client.post("/login")
    response = client.get("/admins")
    assert response.status_code == 403
    assert response.json()["claimValidationErrors"][0]["id"] == "admin"


def test_a_foreign_page_is_refused(client):
    client.post("/login")
    assert client.post("/decorated").content == b"posted"
    foreign = client.post("/decorated", headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"})
    assert foreign.status_code == 401


class TestPages:
    """What a browser opens is answered with pages, if there are any."""

    def test_the_visitor_without_a_session_is_sent_to_sign_in(self, client):
        response = client.get("/page?tab=2", headers=OPENED)
        assert (response.status_code, response["Location"]) == (302, "/sign-in?by=mail&next=%2Fpage%3Ftab%3D2")
        assert client.get("/mixed", headers=OPENED)["Location"] == "/sign-in?next=%2Fmixed"

    def test_a_script_is_told_so(self, client):
        assert client.get("/page").json() == {"message": "unauthorised", "reason": "no_token"}

    @pytest.mark.parametrize(
        "headers", [OPENED, {"accept": "text/html,*/*;q=0.8", "referer": "https://api.example.com/"}]
    )
    def test_an_expired_token_is_refreshed_first(self, client, clock, reseal, headers):
        client.post("/login")
        clock.advance(reseal.settings.access_token_ms)
        page = client.get("/page?tab=2", headers=headers)
        assert (page.status_code, page["Cache-Control"]) == (200, "no-store")
        action = re.search(r'action="([^"]+)"', page.content.decode())[1]
        back = client.post(action)
        assert (back.status_code, back["Location"]) == (303, "/page?tab=2")
        assert client.get(back["Location"], headers=headers).content == b"page"

    def test_a_script_refreshes_by_itself(self, client, clock, reseal):
        client.post("/login")
        clock.advance(reseal.settings.access_token_ms)
        assert client.get("/page").json() == {"message": "try refresh token"}

    async def test_a_view_can_choose(self, aclient, clock, reseal):
        await aclient.post("/login")
        clock.advance(reseal.settings.access_token_ms)
        assert (await aclient.get("/bare", headers={"accept": "text/html"})).status_code == 200
        assert (await aclient.get("/no-page", headers={"accept": "text/html"})).status_code == 401
        assert (await aclient.post("/no-page", headers={"accept": "text/html"})).status_code == 401


def test_a_request_that_passed_by_the_middleware_is_told_so(reseal):
    with pytest.raises(RuntimeError, match="SessionMiddleware"):
        bare(RequestFactory().get("/bare"))


def test_a_view_keeps_its_name():
    assert bare.__name__ == "bare"
