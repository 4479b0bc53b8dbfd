"""What the system checks say of the engine."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.test import override_settings

from tests.django.dropin import project


def found(**changes):
    with override_settings(**changes):
        return {message.id: message.msg for message in run_checks() if message.id != "security.W001"}


def test_the_project_is_right(reseal):
    assert found() == {}


def test_a_project_that_names_no_kind_of_primary_keys_gets_no_warning_of_ours(reseal):
    assert [m for m in run_checks() if m.id == "models.W042" and "reseal" in str(m.obj)] == []
    assert apps.get_model("reseal", "UserSession")._meta.pk.name == "handle"


def test_djangos_own_middleware_is_in_the_way(reseal):
    names = list(project.SETTINGS["MIDDLEWARE"])
    names.insert(2, "django.contrib.sessions.middleware.SessionMiddleware")
    assert "whose cookie would be a session key" in found(MIDDLEWARE=names)["reseal.E010"]


@pytest.mark.parametrize("name", ["pickle.Pickler", "no.such.module", "tests.django.dropin.serializers.Words"])
def test_a_serializer_must_write_json(reseal, name):
    assert "does not write JSON objects" in found(SESSION_SERIALIZER=name)["reseal.E011"]


def test_one_of_ones_own_may(reseal):
    assert found(SESSION_SERIALIZER="tests.django.dropin.serializers.Dates") == {}


@pytest.mark.parametrize(
    "changes",
    [{"SESSION_COOKIE_AGE": 60}, {"SESSION_COOKIE_NAME": "sid"}, {"SESSION_COOKIE_SAMESITE": "Strict"}],
)
def test_settings_without_effect_are_named(reseal, changes):
    [name] = changes
    assert found(**changes)["reseal.W010"] == f"{name} has no effect on the sessions of Reseal."


def test_nothing_is_said_of_them_with_another_engine(reseal):
    assert found(SESSION_ENGINE="django.contrib.sessions.backends.db", SESSION_COOKIE_AGE=60) == {}
