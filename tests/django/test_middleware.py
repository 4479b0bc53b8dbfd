"""Sessions in requests of Django: under WSGI and under ASGI, in sync and in async views."""

from __future__ import annotations

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.test import Client

from reseal.django.sessions import overridden
from reseal.django.waiting import in_thread, is_in_loop
from tests.django.pages import OWN_PAGE, AsyncPage


@pytest.mark.parametrize("feed", ["/feed", "/afeed"])
@pytest.mark.parametrize("login", ["/login", "/alogin"])
class TestAnyView:
    def test_a_session_lasts_beyond_its_access_token(self, client, clock, reseal, login, feed):
        assert client.get(feed).json() == {"message": "unauthorised", "reason": "no_token"}
        assert client.post(login).status_code == 200
        assert client.get(feed).json() == ["Welcome, alice"]
        clock.advance(reseal.settings.access_token_ms)
        refused = client.get(feed)
        assert (refused.status_code, refused.json()) == (401, {"message": "try refresh token"})
        assert client.post("/session/refresh").json() == {}
        assert client.get(feed).json() == ["Welcome, alice"]
        assert client.post("/signout").json() == {"status": "OK"}
        assert client.get(feed).status_code == 401

    async def test_under_asgi(self, aclient, clock, reseal, login, feed):
        assert (await aclient.get(feed)).json() == {"message": "unauthorised", "reason": "no_token"}
        assert (await aclient.post(login)).status_code == 200
        assert (await aclient.get(feed)).json() == ["Welcome, alice"]
        clock.advance(reseal.settings.access_token_ms)
        assert (await aclient.get(feed)).json() == {"message": "try refresh token"}
        assert (await aclient.post("/session/refresh")).json() == {}
        assert (await aclient.get(feed)).json() == ["Welcome, alice"]
        assert (await aclient.post("/signout")).json() == {"status": "OK"}
        assert (await aclient.get(feed)).status_code == 401


@pytest.mark.parametrize("feed", ["/feed", "/afeed"])
async def test_the_kill_list_is_read_beside_the_event_loop(clock, feed, monkeypatch):
    with overridden(clock=clock, kill_list=True) as reseal:
        aclient, kills = AsyncPage(), reseal.sessions.backend.inner.kills
        assert (await aclient.post("/alogin")).status_code == 200
        read, in_loop = kills._read, []
        monkeypatch.setattr(kills, "_read", lambda: (in_loop.append(is_in_loop()), read()))
        for _ in range(3):
            clock.advance(1_000)
            assert (await aclient.get(feed)).json() == ["Welcome, alice"]
        assert in_loop == [False] * 3
        [session] = await in_thread(reseal.sessions.backend.list_user)("alice")
        await in_thread(reseal.sessions.backend.revoke)([session.handle])
        clock.advance(1_000)
        assert (await aclient.get(feed)).json() == {"message": "try refresh token"}


def test_cookies_leave_with_a_stream(client):
    response = client.post("/login-and-stream")
    assert b"".join(response.streaming_content) == b"onetwo"
    assert "__Host-sAccessToken" in response.cookies


def test_cookies_leave_with_a_redirect_beside_those_of_the_view(client):
    response = client.post("/login-and-redirect")
    assert set(response.cookies) == {"own", "__Host-sAccessToken", "__Secure-sRefreshToken"}
    assert response.cookies["__Secure-sRefreshToken"]["path"] == "/session/refresh"
    assert response["Cache-Control"] == "no-store"
    assert "Cookie" in response["Vary"]


def test_cookies_leave_with_an_error_page():
    client = Client(headers=OWN_PAGE, raise_request_exception=False)
    response = client.post("/login-and-fail")
    assert response.status_code == 500
    assert "__Host-sAccessToken" in response.cookies


async def test_cookies_leave_with_an_error_page_under_asgi():
    client = AsyncPage(raise_request_exception=False)
    response = await client.post("/login-and-fail")
    assert response.status_code == 500
    assert "__Host-sAccessToken" in response.cookies


def test_a_response_without_a_session_stays_as_it_is(client):
    response = client.get("/plain")
    assert "Vary" not in response
    assert "Cache-Control" not in response


def test_a_store_that_is_away_is_no_sign_out(client):
    response = client.get("/store-away")
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert not response.cookies


async def test_a_sync_call_in_an_async_view_is_told_what_to_await(aclient):
    await aclient.post("/login")
    with pytest.raises(SynchronousOnlyOperation, match="await its twin"):
        await aclient.get("/sync-call-in-async-view")


def test_endpoints_say_which_method_they_want(client):
    response = client.get("/session/refresh")
    assert (response.status_code, response["Allow"]) == (405, "POST")
