"""``Browser`` and ``AsyncBrowser``: clients that behave as a page of the application."""

import asyncio
import threading

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reseal.testing import AsyncBrowser, Browser, ManualClock, Recorder
from tests.kit.shop import HOUR, SETTINGS, SITE, fastapi_shop


def shop():
    clock = ManualClock()
    app, reseal = fastapi_shop(clock)
    return clock, app, reseal


def test_a_session_goes_on_past_the_end_of_the_access_token():
    clock, app, _ = shop()
    with Browser(app, SITE, clock=clock) as alice:
        assert alice.get("/me").status_code == 401
        alice.sign_in()
        before = alice.jar.value("__Secure-sRefreshToken")
        clock.advance(2 * HOUR)
        assert alice.get("/me").json() == "alice"
        assert alice.post("/echo", content=b"x").json() == "alice: x"
        assert alice.jar.value("__Secure-sRefreshToken") != before


async def test_the_same_in_async_code():
    clock, app, _ = shop()
    async with AsyncBrowser(app, SETTINGS, clock=clock) as alice:
        assert (await alice.get("/me")).status_code == 401
        await alice.sign_in(params={"user": "bob"})
        clock.advance(2 * HOUR)
        assert (await alice.post("/echo", content=b"x")).json() == "bob: x"
        assert (await alice.refresh()).json() == {}
        await alice.sign_out()
        assert (await alice.get("/me")).status_code == 401
        assert not len(alice.jar)


def test_a_year_later_the_browser_has_no_cookies_left():
    clock, app, _ = shop()
    with Browser(app, SITE, clock=clock) as alice:
        alice.sign_in()
        clock.advance(400 * 24 * HOUR)
        assert alice.jar.header("https://shop.example.com/session/refresh") is None
        assert alice.get("/me").json()["message"] == "unauthorised"


def test_two_users_and_two_tabs_share_one_application():
    clock, app, _ = shop()
    with Browser(app, SITE, clock=clock) as alice, Browser(app, SITE, clock=clock) as bob:
        alice.sign_in()
        bob.sign_in(params={"user": "bob"})
        with alice.tab() as tab:
            clock.advance(2 * HOUR)
            assert (tab.get("/me").json(), bob.get("/me").json()) == ("alice", "bob")
            tab.sign_out()
        assert (alice.get("/me").status_code, bob.get("/me").status_code) == (401, 200)
    assert not [thread for thread in threading.enumerate() if thread.name == "reseal.testing"]


async def test_async_tabs_refresh_at_once():
    clock, app, _ = shop()
    async with AsyncBrowser(app, SITE, clock=clock) as alice, alice.tab() as second, alice.tab() as third:
        await alice.sign_in()
        clock.advance(2 * HOUR)
        answers = await asyncio.gather(*(tab.get("/me") for tab in (alice, second, third)))
        assert [answer.json() for answer in answers] == ["alice"] * 3


def test_a_thief_takes_the_cookies_of_the_moment_and_no_attempt_key():
    events, clock = Recorder(), ManualClock()
    app, _ = fastapi_shop(clock, events)
    with Browser(app, SITE, clock=clock) as alice:
        alice.sign_in()
        with alice.thief() as thief:
            assert alice.refresh().is_success
            assert alice.refresh().is_success
            assert thief.refresh().status_code == 503, "it could be another tab"
            clock.advance(HOUR)
            assert thief.refresh().status_code == 401
        assert alice.refresh().status_code == 401
    assert [event.user_id for event in events.all if event.name == "token_theft"] == ["alice"]


def test_a_repeated_refresh_has_the_same_attempt_key_until_there_are_new_tokens():
    sent = []

    async def refresh(request):
        sent.append(request.headers["idempotency-key"])
        fresh = len(sent) == 2
        return Response(status_code=200, headers={"set-cookie": "a=2; Path=/"} if fresh else {})

    async def login(_):
        return Response(headers={"set-cookie": "a=1; Path=/"})

    routes = [Route("/login", login, methods=["POST"]), Route("/session/refresh", refresh, methods=["POST"])]
    with Browser(Starlette(routes=routes)) as alice:
        alice.sign_in()
        for _ in range(3):
            alice.refresh()
    assert sent[0] == sent[1] != sent[2]


def test_redirects_are_followed_with_the_cookies_that_they_set():
    async def start(_):
        return RedirectResponse("/there", headers={"set-cookie": "seen=1; Path=/"})

    async def there(request):
        return Response(f"{request.headers.get('cookie')} {request.headers['sec-fetch-site']}")

    with Browser(Starlette(routes=[Route("/", start), Route("/there", there)])) as alice:
        assert alice.get("/").text == "seen=1 same-origin"
        assert not list(alice.cookies.jar)


def wsgi(environ, start_response):
    start_response("200 OK", [("Set-Cookie", "seen=1; Path=/; Secure")])
    said = [environ.get(key, "-") for key in ("REQUEST_METHOD", "HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_SEC_FETCH_SITE")]
    return [" ".join(said).encode(), environ["wsgi.input"].read()]


def test_an_application_of_wsgi_is_visited_by_sync_code():
    with Browser(wsgi) as alice:
        assert alice.get("/").text == "GET - - same-origin"
        assert alice.post("/", content=b"!").text == "POST https://app.example.com seen=1 same-origin!"


async def test_an_application_of_wsgi_is_visited_by_async_code():
    async with AsyncBrowser(wsgi) as alice:
        assert (await alice.get("/")).text == "GET - - same-origin"
        assert (await alice.post("/", content=b"!")).text == "POST https://app.example.com seen=1 same-origin!"


def test_a_lifespan_that_fails_says_why_and_one_that_is_missing_does_not_matter():
    async def refuses(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def raises(scope, receive, send):
        await receive()
        raise OSError("no disk")

    async def has_none(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    for app, why in (refuses, "no database"), (raises, "no disk"):
        with pytest.raises(RuntimeError, match=f"could not start: .*{why}"), Browser(app):
            pass
    with Browser(has_none) as alice:
        assert alice.get("/").status_code == 204
    assert not [thread for thread in threading.enumerate() if thread.name == "reseal.testing"]


def test_errors_of_an_application_reach_the_test_unless_it_wants_them_answered():
    def broken(environ, start_response):
        raise ZeroDivisionError

    async def also_broken(scope, receive, send):
        if scope["type"] == "http":
            raise ZeroDivisionError

    for app in broken, also_broken:
        with Browser(app) as alice, pytest.raises(ZeroDivisionError):
            alice.get("/")
    with Browser(also_broken, raise_errors=False) as alice:
        assert alice.get("/").status_code == 500


def test_what_is_no_application_is_refused_with_what_to_pass():
    for wrong in (lambda: None, lambda a: None, object):
        with pytest.raises(TypeError, match=r"is neither an ASGI application.*pass the URL of a running server"):
            Browser(wrong)
    for url in "shop.example.com", "ftp://x", "https://shop.example.com/basket":
        with pytest.raises(ValueError, match="the URL of a server is its scheme and host"):
            Browser(url)


def test_the_origin_of_a_url_is_the_one_of_its_pages():
    with Browser("http://127.0.0.1:1", SITE) as alice:
        assert alice.page.origin == "http://127.0.0.1:1"
        with pytest.raises(httpx.ConnectError):
            alice.get("/")


def test_a_site_without_sign_out_is_asked_for_it():
    with Browser(wsgi) as alice, pytest.raises(ValueError, match=r'Site\(sign_out=\("POST", "/signout"\)\)'):
        alice.sign_out()


async def test_a_transport_of_httpx_is_a_target_as_well():
    def answer(request):
        return httpx.Response(200, text=request.headers["sec-fetch-site"])

    with Browser(httpx.MockTransport(answer)) as alice:
        assert alice.get("/").text == "same-origin"
    with pytest.raises(TypeError, match="an async transport needs an AsyncBrowser"):
        Browser(httpx.AsyncHTTPTransport())
    with pytest.raises(TypeError, match="a sync transport needs a Browser"):
        AsyncBrowser(httpx.HTTPTransport())
