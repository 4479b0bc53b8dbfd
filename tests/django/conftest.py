from __future__ import annotations

import pytest

from reseal.testing import ManualClock
from tests.django import project

project.configure()

from django.test import Client  # noqa: E402 - Django has to be configured

from reseal.django.sessions import overridden  # noqa: E402 - as above
from tests.django.pages import OWN_PAGE, AsyncPage  # noqa: E402 - as above


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def reseal(clock):
    with overridden(clock=clock) as ours:
        yield ours


@pytest.fixture
def client(reseal):
    return Client(headers=OWN_PAGE)


@pytest.fixture
def aclient(reseal):
    return AsyncPage()


@pytest.fixture
def user():
    from django.contrib.auth import get_user_model

    project.create_tables()
    alice = get_user_model().objects.create_user("alice", password=None)
    yield alice
    if alice.pk is not None:
        alice.delete()


@pytest.fixture
def rf(reseal):
    """A factory of requests that have passed through the middleware."""
    from django.http import HttpResponse
    from django.test import RequestFactory

    from reseal.django.middleware import SessionMiddleware

    class Factory(RequestFactory):
        def request(self, **given):
            request = super().request(**given)
            SessionMiddleware(lambda _: HttpResponse())(request)
            request.reseal_headers.sent = False
            return request

    return Factory(headers=OWN_PAGE)
