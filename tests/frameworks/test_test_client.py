"""``as_browser``: a framework's test client that behaves as a page of the application."""

import httpx
import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from reseal import EventName, Settings
from reseal.fastapi import Reseal
from reseal.testing import ManualClock, as_browser
from tests.frameworks.site import Listener

HOUR = 3_600_000
SITES = ("https://shop.example.com", "http://localhost:8000")


class Shop:
    def __init__(self, api_domain="https://shop.example.com", **settings):
        self.clock, self.events = ManualClock(), Listener()
        self.settings = Settings(api_domain=api_domain, database_uri="memory:", **settings)
        self.reseal = Reseal(self.settings, clock=self.clock, on_event=self.events)
        self.app = FastAPI()
        self.reseal.install(self.app)
        self.bodies = []

        @self.app.post("/login")
        async def login(request: Request) -> None:
            await self.reseal.create_new_session(request, "alice")

        @self.app.post("/echo")
        async def echo(request: Request) -> str:
            await self.reseal.get_session(request)
            self.bodies.append((await request.body()).decode())
            return self.bodies[-1]

    def refreshes(self):
        return len(self.events.of(EventName.SESSION_REFRESHED))


@pytest.mark.parametrize("api_domain", SITES)
@pytest.mark.parametrize("settings", [{}, {"enable_anti_csrf": True}, {"session_expired_status_code": 440}], ids=str)
def test_an_expired_access_token_is_refreshed_once_and_the_request_repeated_as_it_was(api_domain, settings):
    shop = Shop(api_domain, **settings)
    with as_browser(TestClient(shop.app), shop.settings) as alice:
        alice.post("/login")
        shop.clock.advance(2 * HOUR)
        assert alice.post("/echo", content="tea").json() == "tea"
        assert alice.post("/echo", content="milk").json() == "milk"
    assert (shop.bodies, shop.refreshes()) == (["tea", "milk"], 1)


@pytest.mark.parametrize("package", [httpx, httpx2], ids=lambda package: package.__name__)
async def test_an_async_client_refreshes_too(package):
    shop = Shop()
    client = package.AsyncClient(transport=package.ASGITransport(app=shop.app), base_url=shop.settings.api_domain)
    async with shop.app.router.lifespan_context(shop.app), as_browser(client, shop.settings) as alice:
        await alice.post("/login")
        shop.clock.advance(2 * HOUR)
        assert (await alice.post("/echo", content="tea")).json() == "tea"
    assert shop.refreshes() == 1


def test_a_visitor_who_is_not_signed_in_gets_the_refusal_itself():
    shop = Shop()
    with as_browser(TestClient(shop.app), shop.settings) as visitor:
        answer = visitor.post("/echo")
        assert answer.json()["message"] in {"unauthorised", "try refresh token"}
    assert shop.refreshes() == 0


def test_a_plain_test_client_is_no_page_and_is_not_refreshed_by_itself():
    shop = Shop()
    with TestClient(shop.app, base_url=shop.settings.api_domain) as program:
        program.post("/login")
        assert program.post("/session/refresh").status_code == 401
        shop.clock.advance(2 * HOUR)
        assert program.post("/echo").status_code == 401
    assert shop.refreshes() == 0


def test_a_request_may_come_from_a_foreign_page():
    shop = Shop()
    with as_browser(TestClient(shop.app), shop.settings) as alice:
        alice.post("/login")
        foreign = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}
        assert alice.post("/echo", content="x", headers=foreign).status_code == 401
        assert alice.post("/echo", content="x").status_code == 200


def test_another_kind_of_client_is_refused_by_name():
    with pytest.raises(
        TypeError, match=r"as_browser takes a client of httpx or httpx2 .*of Django, or of Flask, not object"
    ):
        as_browser(object(), Settings(api_domain="https://shop.example.com"))


def test_the_default_host_of_a_test_client_as_api_domain_is_answered_with_what_to_do():
    with pytest.raises(
        Exception, match=r"http://testserver(.|\n)*for tests use your https origin and reseal.testing.as_browser"
    ):
        Settings(api_domain="http://testserver")
