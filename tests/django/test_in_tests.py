"""Sessions in the tests of a project: by Django's own test cases and clients."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client, LiveServerTestCase, TestCase, override_settings

from reseal.django.sessions import get_reseal
from reseal.django.testing import overridden, own_page, sign_in
from reseal.testing import ManualClock
from tests.django import project


class InATestCase(TestCase):
    """Within its transaction, which is rolled back at the end."""

    @classmethod
    def setUpClass(cls) -> None:
        project.create_tables()
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = get_user_model().objects.create_user("in-a-test-case")

    def test_a_signed_in_client(self):
        with overridden(clock=ManualClock()):
            sign_in(self.client, self.user, {"staff": True})
            assert self.client.get("/feed").json() == [f"Welcome, {self.user.pk}"]
            [record] = get_reseal().sessions.backend.list_user(str(self.user.pk))
            assert record.jwt_payload == b'{"staff":true}'

    async def test_a_signed_in_async_client(self):
        with overridden(clock=ManualClock()):
            client = AsyncClient()
            await asyncio.to_thread(sign_in, client, self.user)
            assert (await client.get("/afeed")).json() == [f"Welcome, {self.user.pk}"]
            assert (await client.post("/session/refresh")).status_code == 401
            assert (await client.post("/session/refresh", headers=own_page())).status_code == 200


@override_settings(ALLOWED_HOSTS=["localhost"], STATIC_URL="/static/", MEDIA_URL="/media/")
class WithALiveServer(LiveServerTestCase):
    """Requests over the network, each in a thread of the server."""

    @classmethod
    def setUpClass(cls) -> None:
        project.create_tables()
        super().setUpClass()

    def setUp(self) -> None:
        self.enterContext(self.settings(RESEAL={**settings.RESEAL, "api_domain": self.live_server_url}))

    def _fixture_teardown(self) -> None:
        """Leave the tables alone: no test here has written to them."""

    def test_the_six_steps(self):
        with httpx.Client(base_url=self.live_server_url, headers=own_page()) as page:
            assert page.post("/login").status_code == 200
            assert page.get("/feed").json() == ["Welcome, alice"]
            assert page.post("/session/refresh").json() == {}
            assert page.get("/afeed").json() == ["Welcome, alice"]
            assert page.post("/signout").status_code == 200
            assert page.get("/feed").status_code == 401


def test_the_memory_store_of_a_test_database_is_shared_by_all_threads(client):
    assert settings.RESEAL.get("database_uri") is None
    client.post("/login")
    assert client.get("/feed").status_code == 200


@pytest.mark.parametrize("user", ["alice", 7, "münchen"])
def test_whoever_signs_in(reseal, user):
    client = Client(headers=own_page())
    sign_in(client, user)
    assert client.get("/feed").json() == [f"Welcome, {user}"]
