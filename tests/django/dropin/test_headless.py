"""The app client of django-allauth's headless API: its token is the session key, which here is no secret."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import override_settings

from reseal.django.middleware import SessionMiddleware
from tests.django.dropin.test_checks import found

SIGNED = f"{__name__}.Signed"


class Theirs:
    def lookup_session(self, session_token):
        raise AssertionError(session_token)


Theirs.lookup_session.__module__ = "allauth.headless.tokens.strategies.sessions"


class Signed(Theirs):
    def lookup_session(self, session_token):
        raise AssertionError(session_token)


@pytest.fixture(autouse=True)
def _installed(reseal, monkeypatch):
    is_installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "allauth.headless" or is_installed(name))


@pytest.mark.parametrize(
    "changes", [{}, {"HEADLESS_CLIENTS": ["app"]}, {"HEADLESS_TOKEN_STRATEGY": f"{__name__}.Theirs"}]
)
def test_a_handle_must_not_open_a_session(changes):
    assert "HEADLESS_CLIENTS has 'app'" in found(**changes)["reseal.E012"]
    with override_settings(**changes), pytest.raises(ImproperlyConfigured, match="HEADLESS_TOKEN_STRATEGY"):
        SessionMiddleware(lambda _request: HttpResponse())


@pytest.mark.parametrize(
    "changes",
    [
        {"HEADLESS_CLIENTS": ("browser",)},
        {"HEADLESS_TOKEN_STRATEGY": SIGNED},
        {"SESSION_ENGINE": "django.contrib.sessions.backends.db"},
    ],
)
def test_browsers_and_signed_tokens_are_allowed(changes):
    with override_settings(**changes):
        assert SessionMiddleware(lambda _request: HttpResponse())
    assert "reseal.E012" not in found(**changes)
