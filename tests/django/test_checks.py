"""What ``manage.py check`` says of settings that cannot work, and ``check --deploy`` of those that are not safe."""

from __future__ import annotations

import sys

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import modify_settings, override_settings
from django.urls import include, path

from reseal.core.errors import ConfigurationError
from reseal.django.middleware import SessionMiddleware

OURS = "reseal.django.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
GOOD = {"api_domain": "https://api.example.com", "database_uri": "sqlite:////srv/sessions.db"}


def other_view(_request):
    return HttpResponse()


class Prefixed:
    urlpatterns = (path("api/", include("reseal.django.urls")),)


class Hidden:
    urlpatterns = (path("session/refresh", other_view), path("", include("reseal.django.urls")))


def told(*, deploy: bool = False) -> dict[str, str]:
    messages = run_checks(include_deployment_checks=deploy)
    return {message.id: f"{message.msg} {message.hint or ''}" for message in messages if message.id[:6] == "reseal"}


def problems(reseal) -> list[str]:
    with override_settings(RESEAL=reseal):
        return [message.msg for message in run_checks() if message.id == "reseal.E001"]


def test_a_driver_that_is_missing_is_the_only_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "reseal._sync.stores.postgres", None)
    with override_settings(RESEAL=GOOD | {"database_uri": "postgresql://me@localhost/shop"}):
        assert list(told()) == ["reseal.E001"]
        assert 'pip install "reseal[postgres]"' in told()["reseal.E001"]


def test_the_name_of_the_setting_is_said_once():
    assert problems(None) == ['RESEAL is missing: write RESEAL = {"api_domain": "https://www.example.com"}']


def test_nothing_is_said_of_what_works():
    assert told() == {}


def test_every_problem_is_named_with_its_key():
    found = problems(
        {
            "api_domian": "https://api.example.com",
            "access_token_validity": "an hour",
            "cookie_same_site": "lux",
            "refresh_pages": 1,
            "database": "replica",
        }
    )
    text = "\n".join(found)
    assert len(found) == 6
    assert "did you mean 'api_domain'?" in text
    for key in (
        "'api_domain' is missing",
        "'access_token_validity'",
        "'cookie_same_site'",
        "'refresh_pages'",
        "'database'",
    ):
        assert key in text


@pytest.mark.parametrize(("reseal", "what"), [(None, "RESEAL is missing"), ([], "must be a dictionary")])
def test_the_dictionary_itself_is_checked(reseal, what):
    [problem] = problems(reseal)
    assert what in problem


def test_a_server_with_a_wrong_configuration_does_not_start():
    with override_settings(RESEAL={}), pytest.raises(ConfigurationError, match="'api_domain' is missing"):
        SessionMiddleware(lambda _: HttpResponse())


def test_a_server_without_the_application_does_not_start():
    without = modify_settings(INSTALLED_APPS={"remove": ["reseal.django"]})
    with without, pytest.raises(ImproperlyConfigured, match=r'"reseal.django" is not in INSTALLED_APPS'):
        SessionMiddleware(lambda _: HttpResponse())


@pytest.mark.parametrize(
    ("middleware", "number", "text"),
    [
        ([], "reseal.E002", f'Add "{OURS}"'),
        ([OURS, OURS], "reseal.E003", "more than once"),
        ([AUTHENTICATION, OURS], "reseal.E004", f"MIDDLEWARE has {AUTHENTICATION} before {OURS}"),
        (["django.middleware.http.ConditionalGetMiddleware", OURS], "reseal.E004", "Exchange the two"),
        (["no.such.Middleware"], "reseal.E002", "MIDDLEWARE lacks"),
    ],
)
def test_the_middleware_has_to_be_there_once_and_before_others(middleware, number, text):
    with override_settings(MIDDLEWARE=middleware):
        assert text in told()[number]


@pytest.mark.parametrize(
    ("urlconf", "text"),
    [
        (Prefixed, "/session/refresh, where sessions are refreshed, leads nowhere in ROOT_URLCONF"),
        (Hidden, "leads to tests.django.test_checks.other_view"),
        (type("Empty", (), {"urlpatterns": ()}), 'Put path("", include("reseal.django.urls")) first'),
    ],
)
def test_the_endpoints_have_to_be_reached(urlconf, text):
    with override_settings(ROOT_URLCONF=urlconf):
        assert text in told()["reseal.E005"]


@pytest.mark.parametrize(
    ("reseal", "more", "number"),
    [
        ({"api_domain": "http://localhost:8000"}, {}, "reseal.W001"),
        ({"cookie_secure": False}, {}, "reseal.W002"),
        ({"database_uri": "memory:"}, {}, "reseal.W003"),
        ({}, {"SECRET_KEY": "django-insecure-and-the-rest-of-it-which-is-long-enough"}, "reseal.W004"),
        ({}, {"ALLOWED_HOSTS": ["www.example.com"]}, "reseal.W005"),
    ],
)
def test_what_is_unsafe_is_said_before_deployment(reseal, more, number):
    with override_settings(RESEAL=GOOD | reseal, **more):
        assert set(told(deploy=True)) == {number}
        assert told() == {}


def test_nothing_is_said_before_deployment_of_what_is_safe():
    with override_settings(RESEAL=GOOD, ALLOWED_HOSTS=[".example.com"]):
        assert told(deploy=True) == {}
