"""The identity providers of a configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reseal import ConfigurationError, IdentityProvider, InvalidInput, ProviderSession, Settings
from reseal.core import providers

API = "https://api.example.com"
ONE = {"issuer": "https://login.example", "client_id": "shop", "jwks_uri": "https://login.example/jwks"}


def settings(value: Any, **more: Any) -> Settings:
    return Settings(api_domain=API, identity_providers=value, **more)


@pytest.mark.parametrize("value", [[ONE], (IdentityProvider(**ONE),), json.dumps([ONE])])
def test_providers_are_read_from_each_form(value: Any) -> None:
    assert settings(value).identity_providers == (IdentityProvider(**ONE),)


def test_all_members_may_be_given() -> None:
    whole = ONE | {"algorithms": ["ES256", "ES256"], "older_tokens": True, "jwks_uri": "http://localhost:8080/a?b=c"}
    [found] = settings([whole]).identity_providers
    assert (found.algorithms, found.older_tokens, found.jwks_uri) == (("ES256",), True, whole["jwks_uri"])


FAULTS: dict[str, tuple[Any, str]] = {
    "no list": ({"a": 1}, "must be a list of providers"),
    "no JSON": ("[", "must be JSON where it is text"),
    "no provider": ([7], "is no provider"),
    "no client": ([{k: v for k, v in ONE.items() if k != "client_id"}], "'client_id' is missing"),
    "an unknown key": ([ONE | {"jwks_url": "x"}], "is not a known key"),
    "no issuer": ([ONE | {"issuer": ""}], "'issuer' must be text"),
    "open http": ([ONE | {"jwks_uri": "http://login.example/jwks"}], "must use https unless its host is loopback"),
    "no URL": ([ONE | {"jwks_uri": "login.example"}], "'jwks_uri' must be a URL"),
    "a user in the URL": ([ONE | {"jwks_uri": "https://me@login.example/jwks"}], "'jwks_uri' must be a URL"),
    "none": ([ONE | {"algorithms": ["none"]}], "'algorithms' must be a list of algorithms"),
    "a shared secret": ([ONE | {"algorithms": ["HS256"]}], "'algorithms' must be a list of algorithms"),
    "no algorithm": ([ONE | {"algorithms": []}], "'algorithms' must be a list of algorithms"),
    "a switch that is none": ([ONE | {"older_tokens": "yes"}], "must be true or false"),
    "one twice": ([ONE, ONE], "is there twice"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named(case: str) -> None:
    value, why = FAULTS[case]
    with pytest.raises(ConfigurationError) as raised:
        settings(value)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    "value",
    [
        "s1",
        {"iss": ONE["issuer"], "sub": "a"},
        ProviderSession("", "a"),
        ProviderSession(ONE["issuer"], ""),
        ProviderSession(ONE["issuer"], "a", ""),
        ProviderSession(ONE["issuer"], 7),  # type: ignore[arg-type]
        ProviderSession(ONE["issuer"] + "/", "a"),
    ],
)
def test_a_session_that_no_logout_could_end_is_refused_at_the_sign_in(value: Any) -> None:
    with pytest.raises(InvalidInput, match="provider: "):
        providers.checked(value, settings([ONE]).identity_providers)


def test_without_providers_here_any_issuer_may_be_kept() -> None:
    its = ProviderSession("https://elsewhere.example", "a")
    assert providers.checked(its, ()) is its
    assert providers.checked(None, ()) is None
