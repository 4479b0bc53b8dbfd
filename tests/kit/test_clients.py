"""The test clients of frameworks: as pages, with users who are signed in, over sessions of the test's own."""

import asyncio
from contextlib import contextmanager

import httpx
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import AsyncClient, Client, override_settings
from fastapi.testclient import TestClient
from litestar.testing import AsyncTestClient
from litestar.testing import TestClient as LitestarClient

from reseal import Reseal
from reseal.django.sessions import configured
from reseal.testing import (
    AsyncBrowser,
    Browser,
    ManualClock,
    Recorder,
    Site,
    as_browser,
    assert_catches_thieves,
    assert_keeps_users_signed_in,
    assert_refreshes,
    assert_signed_in,
    assert_signed_out,
    async_assert_refreshes,
    async_assert_signed_in,
    async_assert_signed_out,
    async_signed_in,
    overridden,
    signed_in,
)
from tests.kit import django_shop
from tests.kit.shop import HOUR, MINUTE, ORIGIN, SETTINGS, SITE, fastapi_shop, flask_shop, litestar_shop, wsgi_shop

MEMORY = {"database_uri": "memory:"}
NOWHERE = {"database_uri": "sqlite:////nowhere/sessions.db"}


@contextmanager
def fastapi_client(clock, events):
    app, reseal = fastapi_shop(**NOWHERE)
    with overridden(reseal, clock=clock, on_event=events, **MEMORY), TestClient(app) as client:
        yield client, reseal


@contextmanager
def litestar_client(clock, events):
    app, reseal = litestar_shop()
    with overridden(reseal, clock=clock, on_event=events, **MEMORY), LitestarClient(app) as client:
        yield client, reseal


@contextmanager
def flask_client(clock, events):
    app = flask_shop()
    with overridden(app, clock=clock, on_event=events, **MEMORY):
        yield app.test_client(), app


@contextmanager
def django_client(clock, events):
    with override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL={"api_domain": ORIGIN, **NOWHERE}):
        reseal = configured()
        with overridden(reseal, clock=clock, on_event=events, **MEMORY):
            yield Client(), reseal


@contextmanager
def browser(clock, events):
    app, reseal = fastapi_shop(**NOWHERE)
    with overridden(reseal, clock=clock, on_event=events, **MEMORY), Browser(app, SITE, clock=clock) as client:
        yield client, reseal


EACH = pytest.mark.parametrize("opened", [fastapi_client, litestar_client, flask_client, django_client, browser])
TOKEN = "the access token"


def text(response):
    return response.get_data() if hasattr(response, "get_data") else response.content


def posted(client, path, body):
    if isinstance(client, Client):
        return client.post(path, body, content_type="text/plain")
    return client.post(path, **{"data" if hasattr(client, "environ_base") else "content": body})


@EACH
def test_a_user_stays_signed_in_past_the_end_of_the_access_token(opened):
    clock, events = ManualClock(), Recorder()
    with opened(clock, events) as (client, reseal):
        signed_in(client, reseal, "bob", {"role": "cook"})
        assert b"bob" in text(assert_signed_in(client, "/me"))
        with pytest.raises(AssertionError, match=r"GET /me answered 200 .*advance the clock first"):
            assert_refreshes(client, "/me")
        clock.advance(2 * HOUR)
        assert_refreshes(client, "/me")
        clock.advance(2 * HOUR)
        assert b"bob: x" in text(posted(client, "/echo", "x"))
        reseal_core(reseal).revoke_all_sessions_for_user("bob")
        clock.advance(2 * HOUR)
        assert_signed_out(client, "/me")


def reseal_core(reseal):
    found = getattr(reseal, "extensions", {}).get("reseal", reseal)
    core = found.sessions
    return core if isinstance(core, Reseal) else found.sync.sessions


@EACH
def test_the_sign_in_of_the_application_works_as_well(opened):
    with opened(ManualClock(), Recorder()) as (client, _):
        as_browser(client, SETTINGS)
        assert client.post("/login").status_code == 200
        assert b"alice" in text(assert_signed_in(client, "/me"))
        assert client.post("/signout").status_code == 200
        with pytest.raises(AssertionError, match=r"not signed in: GET /me answered 401 .*cookies: none"):
            assert_signed_in(client, "/me")


@EACH
def test_a_request_may_come_from_a_foreign_page(opened):
    with opened(ManualClock(), Recorder()) as (client, reseal):
        signed_in(client, reseal)
        foreign = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}
        assert client.post("/echo", headers=foreign).status_code == 401
        assert client.post("/echo").status_code == 200


async def test_an_async_client_of_django():
    clock = ManualClock()
    with override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL={"api_domain": ORIGIN, **NOWHERE}):
        reseal = configured()
        with overridden(reseal, clock=clock, **MEMORY):
            client = await async_signed_in(AsyncClient(), reseal)
            for path in "/me", "/me/async":
                await async_assert_signed_in(client, path)
                clock.advance(2 * HOUR)
                await async_assert_refreshes(client, path)
            clock.advance(2 * HOUR)
            response = await client.post("/echo", "x", content_type="text/plain")
            assert response.json() == "alice: x"
            await client.post("/signout")
            await async_assert_signed_out(client, "/me")


@pytest.mark.parametrize(("allowed", "host"), [(["*"], "shop.example.com"), (["testserver"], "testserver")])
async def test_clients_of_django_visit_the_host_of_the_application_if_it_is_allowed(allowed, host):
    given = {"api_domain": ORIGIN, **MEMORY}
    with override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL=given, ALLOWED_HOSTS=allowed):
        response = await as_browser(AsyncClient(), SETTINGS).get("/me")
        assert response.asgi_request.build_absolute_uri("/") == f"https://{host}/"
        response = await asyncio.to_thread(as_browser(Client(), SETTINGS).get, "/me")
        assert response.wsgi_request.build_absolute_uri("/") == f"https://{host}/"


async def test_async_clients_of_httpx_and_litestar_and_the_browser():
    clock = ManualClock()
    app, reseal = litestar_shop()
    with overridden(reseal, clock=clock, **MEMORY):
        async with AsyncTestClient(app) as client:
            await async_assert_signed_in(await async_signed_in(client, reseal), "/me")
            clock.advance(2 * HOUR)
            await async_assert_refreshes(client, "/me")
    with overridden(reseal, clock=clock, **MEMORY):
        async with AsyncBrowser(app, SITE, clock=clock) as alice:
            await async_assert_signed_in(await async_signed_in(alice, reseal))
            clock.advance(2 * HOUR)
            await async_assert_refreshes(alice)
    app, reseal = fastapi_shop(clock)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await async_assert_signed_in(await async_signed_in(client, reseal), "/me")


def test_sessions_without_a_framework_are_signed_in_too():
    clock = ManualClock()
    app, reseal = wsgi_shop(clock)
    with Browser(app, SITE, clock=clock) as alice:
        assert_signed_in(signed_in(alice, reseal))


def simulated(app, clock, events):
    site = Site.of(SETTINGS)
    assert_keeps_users_signed_in(app, site, clock=clock)
    assert not [event for event in events.all if event.name == "token_theft"]
    assert_catches_thieves(app, site, clock=clock)


def test_flask_keeps_users_signed_in_and_catches_the_thief():
    clock, events, app = ManualClock(), Recorder(), flask_shop()
    with overridden(app, clock=clock, on_event=events, **MEMORY):
        simulated(app, clock, events)


def test_litestar_keeps_users_signed_in_and_catches_the_thief():
    clock, events = ManualClock(), Recorder()
    app, reseal = litestar_shop()
    with overridden(reseal, clock=clock, on_event=events, **MEMORY):
        simulated(app, clock, events)


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_django_keeps_users_signed_in_and_catches_the_thief(handler):
    clock, events = ManualClock(), Recorder()
    with (
        override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL={"api_domain": ORIGIN, **NOWHERE}),
        overridden(configured(), clock=clock, on_event=events, **MEMORY),
    ):
        simulated(handler(), clock, events)


def test_what_was_overridden_is_as_before_after_the_block():
    clock, events = ManualClock(), Recorder()
    app, reseal = fastapi_shop(clock, events)
    before = vars(reseal.sessions).copy(), vars(reseal.watch).copy(), reseal.settings
    with overridden(reseal, clock=ManualClock(), access_token_validity=60):
        assert reseal.settings.access_token_ms == MINUTE
    assert (vars(reseal.sessions), vars(reseal.watch), reseal.settings) == before
    with Browser(app, SITE, clock=clock) as alice:
        alice.sign_in()
        assert_signed_in(alice)


def test_the_listener_of_the_application_hears_of_events_as_well():
    theirs, ours = Recorder(), Recorder()
    app, reseal = fastapi_shop(on_event=theirs)
    with overridden(reseal, on_event=ours), Browser(app, SITE) as alice:
        signed_in(alice, reseal)
        alice.refresh()
        thief = alice.thief()
        alice.refresh()
        alice.refresh()
        thief.refresh()
    assert theirs.all == ours.all != []


def test_what_has_no_sessions_is_refused():
    for call in (lambda: overridden(object()).__enter__(), lambda: signed_in(object(), object())):
        with pytest.raises(TypeError, match=r"an object of Reseal, or an application of Flask .* is needed here"):
            call()
    _, reseal = fastapi_shop(token_transfer_method="header")
    with pytest.raises(ValueError, match="token_transfer_method is 'header'"):
        signed_in(httpx.Client(), reseal)


def pages_of(app, clock):
    with Browser(app, Site.of(SETTINGS), clock=clock) as alice:
        alice.sign_in()
        clock.advance(2 * HOUR)
        page = alice.open("/me")
        assert (page.status_code, page.url.path, "alice" in page.text) == (200, "/me", True)
        clock.advance(2 * HOUR)
        assert "alice: " in alice.submit("/echo", data={"text": "x"}).text
        clock.advance(400 * 24 * HOUR)
        assert alice.open("/me").status_code == 401


def test_pages_of_flask_refresh_first_and_forms_are_sent_again():
    clock, app = ManualClock(), flask_shop()
    with overridden(app, clock=clock, **MEMORY):
        pages_of(app, clock)


def test_pages_of_django_refresh_first_and_forms_are_sent_again():
    clock = ManualClock()
    with (
        override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL={"api_domain": ORIGIN, **NOWHERE}),
        overridden(configured(), clock=clock, **MEMORY),
    ):
        pages_of(WSGIHandler(), clock)


async def test_a_page_of_django_refreshes_first_in_async_code():
    clock = ManualClock()
    with (
        override_settings(ROOT_URLCONF=django_shop.__name__, RESEAL={"api_domain": ORIGIN, **NOWHERE}),
        overridden(configured(), clock=clock, **MEMORY),
    ):
        async with AsyncBrowser(ASGIHandler(), SITE, clock=clock) as alice:
            await alice.sign_in()
            clock.advance(2 * HOUR)
            assert (await alice.open("/me/async")).json() == "alice"
