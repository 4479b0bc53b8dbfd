"""Policies of sessions by name, as a configuration writes them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from reseal import ConfigurationError, SessionPolicy, Settings
from reseal.core.model import TheftResponse

API = "https://api.example.com"
TABLE = {
    "staff": {
        "refresh_token_validity": 30,
        "session_absolute_timeout": 720,
        "access_token_validity": 300,
        "persistent": False,
        "rotation_policy": "classic",
        "theft_response": "revoke_user",
    },
    "default": {},
}
STAFF = SessionPolicy(
    name="staff",
    idle_ms=1_800_000,
    absolute_ms=43_200_000,
    access_token_ms=300_000,
    persistent=False,
    rotation="classic",
    theft_response=TheftResponse.REVOKE_USER,
)


def problems_of(policies: object, **more: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_mapping({"api_domain": API, "policies": policies, **more}, source="a test")
    [problem] = caught.value.problems
    return problem


def test_the_keys_of_a_policy_have_the_units_of_the_settings_that_they_override():
    settings = Settings.from_mapping({"api_domain": API, "policies": TABLE}, source="a test")
    assert settings.policies == (STAFF, SessionPolicy(name="default"))


def test_policies_are_the_same_from_a_variable_and_from_python():
    in_variable = Settings.from_env({"RESEAL_API_DOMAIN": API, "RESEAL_POLICIES": json.dumps(TABLE)})
    in_python = Settings(api_domain=API, policies={"staff": STAFF, "default": SessionPolicy()})  # type: ignore[arg-type]
    assert in_variable.policies == in_python.policies == dataclasses.replace(in_python).policies


def test_every_fault_of_every_policy_is_reported_at_once():
    told = problems_of(
        {
            "a": {"refresh_token_validity": 0, "session_absolute_timeout": "12h", "colour": "red"},
            "B!": {"persistent": "yes"},
            "c": 5,
        }
    )
    for part in (
        "'a': 'refresh_token_validity' must be between 1 second and 100 years: the unit is minutes",
        "'a': 'session_absolute_timeout' must be a number",
        "'a': 'colour' is not a known key",
        "'B!': the name must be 1 to 64 characters",
        "'B!': 'persistent' must be true or false",
        "'c': must be a table of keys with values",
    ):
        assert part in told


@pytest.mark.parametrize("value", ["{", "[1]", 5, "staff"])
def test_what_is_no_table_is_refused(value):
    assert problems_of(value).startswith("'policies' ")


def test_no_policy_has_access_tokens_that_outlive_the_keys():
    table = {"staff": {"access_token_validity": 601}}
    assert "must not have a longer 'access_token_validity'" in problems_of(table, access_token_validity=600)
