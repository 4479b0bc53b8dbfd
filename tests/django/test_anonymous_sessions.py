"""Sessions of visitors who are not signed in, by the calls for requests."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import include, path

from reseal.django import get_reseal
from reseal.django.protection import session_required
from tests.django.pages import OPENED, exempt

pytestmark = pytest.mark.usefixtures("urls")


@exempt
def visit(request):
    session = get_reseal().create_anonymous_session(request, session_data={"cart": [1]})
    return HttpResponse(session.get_handle())


@exempt
async def visit_async(request):
    reseal = await sync_to_async(get_reseal)()
    session = await reseal.acreate_anonymous_session(request, session_data={"cart": [1]})
    return HttpResponse(session.get_handle())


def cart(request):
    return JsonResponse(get_reseal().get_any_session(request).get_session_data())


async def cart_async(request):
    return JsonResponse(await (await get_reseal().aget_any_session(request)).aget_session_data())


@session_required(login_url="/sign-in")
def me(request):
    return HttpResponse(request.reseal_session.get_user_id())


@exempt
def sign_in(request):
    return HttpResponse(get_reseal().create_new_session(request, "alice", keep_anonymous=True).get_handle())


urlpatterns = [
    path("", include("reseal.django.urls")),
    path("visit", visit),
    path("visit-async", visit_async),
    path("cart", cart),
    path("cart-async", cart_async),
    path("me", me),
    path("sign-in", sign_in),
]


@pytest.fixture
def urls():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.mark.parametrize("form", ["", "-async"])
def test_a_visitor_keeps_data_and_becomes_a_user_with_it(client, form):
    visitor = client.post(f"/visit{form}").content
    assert client.get(f"/cart{form}").json() == {"cart": [1]}
    refused = client.get("/me")
    assert (refused.status_code, refused.json()) == (403, {"message": "unauthorised", "reason": "not_signed_in"})
    assert client.get("/me", headers=OPENED)["Location"] == "/sign-in?next=%2Fme"
    assert client.post("/sign-in").content != visitor
    assert client.get("/me").content == b"alice"
    assert client.get(f"/cart{form}").json() == {"cart": [1]}
