"""``overridden`` and ``signed_in`` with the objects of the generic adapters, more than once."""

import json

import pytest

from reseal import asgi, wsgi
from reseal.quart import Reseal as QuartReseal
from reseal.testing import (
    AsyncBrowser,
    Browser,
    ManualClock,
    assert_refreshes,
    async_assert_refreshes,
    async_signed_in,
    overridden,
    signed_in,
)
from tests.kit.shop import HOUR, ORIGIN, SITE, Settings

NOWHERE = Settings(api_domain=ORIGIN, database_uri="sqlite:////nowhere/sessions.db")


def test_an_application_of_wsgi_has_new_sessions_in_each_block():
    reseal = wsgi.Reseal(NOWHERE)

    def me(environ, start_response):
        user = reseal.get_session(environ).get_user_id()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(user).encode()]

    app = reseal.wrap(me)
    for user in "alice", "bob":
        clock = ManualClock()
        with overridden(reseal, clock=clock, database_uri="memory:"), Browser(app, SITE, clock=clock) as browser:
            signed_in(browser, reseal, user)
            clock.advance(2 * HOUR)
            assert assert_refreshes(browser).json() == user
            assert len(reseal.sessions.get_all_session_handles_for_user("alice")) == (user == "alice")


@pytest.mark.parametrize("adapter", [asgi.Reseal, QuartReseal])
async def test_an_application_of_asgi_has_new_sessions_in_each_block(adapter):
    reseal = adapter(NOWHERE)

    async def me(scope, receive, send):
        user = (await reseal.get_session(scope)).get_user_id()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(user).encode()})

    app = asgi.Reseal.wrap(reseal, me)
    for user in "alice", "bob":
        clock = ManualClock()
        with overridden(reseal, clock=clock, database_uri="memory:"):
            async with AsyncBrowser(app, SITE, clock=clock) as browser:
                await async_signed_in(browser, reseal, user)
                clock.advance(2 * HOUR)
                assert (await async_assert_refreshes(browser)).json() == user
                assert len(await reseal.sessions.get_all_session_handles_for_user("alice")) == (user == "alice")
