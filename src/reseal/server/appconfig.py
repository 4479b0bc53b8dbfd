"""What an app may set for itself (``coreConfig`` of the multitenancy calls), checked (core interface, 2.9 and 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reseal.cdi.model import AppSettings
from reseal.cdi.paths import DEFAULT
from reseal.cdi.problem import Problem
from reseal.server.api_keys import ApiKey
from reseal.server.config import ServiceSettings, words
from reseal.server.config_parts import ALIASES, NO_EFFECT, OF_OTHERS
from reseal.server.config_rules import INTERVAL, RULES
from reseal.settings import rules
from reseal.settings.checks import outlasts
from reseal.settings.problems import UnfitError
from reseal.settings.sources import parsed_for

APP_KEYS: Final = (
    "access_token_validity",
    "refresh_token_validity",
    "access_token_blacklisting",
    "access_token_signing_key_dynamic",
    INTERVAL,
    "access_token_validity_jitter",
    "refresh_token_rotation_grace_period",
    "enable_anti_csrf",
    "api_keys",
)
"""What an app may set. Its tenants may repeat it, not contradict it."""
_BASE_ONLY: Final = "can only be set via the core's base config setting"


def app_settings(app_id: str, base: ServiceSettings, core_config: Mapping[str, Any]) -> AppSettings:
    """Work out what holds for an app. Raises ``Problem`` 400 for a configuration that it cannot have."""
    merged = {key: getattr(base, key) for key in APP_KEYS} | _checked(core_config)
    _check_pacts(merged, test_mode=base.test_mode)
    return AppSettings(
        app_id=app_id,
        access_token_ms=merged["access_token_validity"] * 1000,
        refresh_token_ms=round(merged["refresh_token_validity"] * 60_000),
        key_interval_ms=round(merged[INTERVAL] * 3_600_000),
        signing_algorithm=base.access_token_signing_algorithm,
        dynamic_keys=merged["access_token_signing_key_dynamic"],
        blacklisting=merged["access_token_blacklisting"],
        enable_anti_csrf=merged["enable_anti_csrf"],
        grace_ms=round(merged["refresh_token_rotation_grace_period"] * 1000),
        jitter=merged["access_token_validity_jitter"],
        reuse_is_theft=base.recent_token_reuse_behaviour == "TOKEN_THEFT",
        rollback=base.rollback,
    )


def as_stored(core_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is stored and shown: of API keys only the hashes. Raises ``Problem`` 400."""
    if core_config.get("api_keys") is None:
        return dict(core_config)
    hashes = [f"sha256:{key.digest.hex()}" for key in _fit("api_keys", core_config["api_keys"])]
    return dict(core_config) | {"api_keys": ",".join(hashes) or None}


def own_keys(app_id: str, core_config: Mapping[str, Any]) -> tuple[ApiKey, ...]:
    """Read the API keys that an app has of its own: they are valid for this app only.

    A stored text that cannot be read locks the app rather than open it.
    """
    given = core_config.get("api_keys")
    if given is None:
        return ()
    try:
        digests = [key.digest for key in _fit("api_keys", given)]
    except Problem:
        digests = [b""]
    return tuple(ApiKey.for_apps(digest, (app_id,)) for digest in digests)


def check_tenant(
    base: ServiceSettings, app_config: Mapping[str, Any], tenant_id: str, tenant_config: Mapping[str, Any]
) -> None:
    """Check what a tenant sets beside its app. Raises ``Problem`` 400."""
    if tenant_id == DEFAULT:
        return
    asked = _checked(tenant_config)
    holding = {key: getattr(base, key) for key in APP_KEYS} | _checked(app_config)
    for key, value in asked.items():
        if value != holding[key]:
            raise _invalid(f"You cannot set different values for {key} for the same appId")


def _checked(core_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal forms of the values, by the keys' own names. Keys of other recipes are left out."""
    vocabulary, fit = words(), {}
    for name, value in core_config.items():
        key = ALIASES.get(name, name)
        if key not in vocabulary.kinds:
            raise _invalid(f"Invalid config key: {name}")
        if key in APP_KEYS:
            fit[key] = _fit(key, parsed_for(vocabulary, key, value))
        elif NO_EFFECT.get(key) not in OF_OTHERS:
            raise _invalid(f"{name} {_BASE_ONLY}")
    return fit


def _fit(key: str, value: object) -> Any:
    try:
        return RULES[key](rules.as_text(value) if key == "api_keys" else value)
    except UnfitError as unfit:
        raise _invalid(unfit.reason(key)) from None


def _check_pacts(merged: Mapping[str, Any], *, test_mode: bool) -> None:
    if test_mode:
        return
    if not outlasts(merged["refresh_token_validity"], merged["access_token_validity"]):
        raise _invalid("'refresh_token_validity' must be strictly greater than 'access_token_validity'.")
    if merged[INTERVAL] < 1:
        raise _invalid(f"'{INTERVAL}' must be greater than, equal to 1 hour.")


def _invalid(reason: str) -> Problem:
    return Problem(400, f"Invalid core config: {reason}")
