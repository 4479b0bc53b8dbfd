"""The settings of an app (``coreConfig`` of the multitenancy calls), checked (core interface, 2.9 and 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reseal.cdi.model import AppSettings
from reseal.cdi.paths import DEFAULT
from reseal.cdi.problem import Problem
from reseal.server.api_keys import ApiKey
from reseal.server.cdi.names import NO_EFFECT_FOR_APPS
from reseal.server.config import ServiceSettings, words
from reseal.server.config_rules import INTERVAL, SERVICE_CROSS_RULES
from reseal.server.fields import ServiceFields
from reseal.settings import rules
from reseal.settings.checks import broken_by, milliseconds
from reseal.settings.fields import Where, names_where, rows
from reseal.settings.problems import InvalidValueError
from reseal.settings.rules import DAY, HOUR, MINUTE, SECOND
from reseal.settings.sources import parsed_for

APP_KEYS: Final = names_where(ServiceFields, Where.APP)
"""The keys that an app may set. Its tenants may repeat them, not contradict them."""
_BASE_ONLY: Final = "can only be set via the core's base config setting"


def app_settings(app_id: str, base: ServiceSettings, core_config: Mapping[str, Any]) -> AppSettings:
    """Return the settings of an app. Raises ``Problem`` 400 for a configuration that it cannot have."""
    merged = {key: getattr(base, key) for key in APP_KEYS} | _checked(core_config)
    for broken in broken_by(merged | {"test_mode": base.test_mode}, SERVICE_CROSS_RULES):
        raise _invalid(broken.why)
    return AppSettings(
        app_id=app_id,
        access_token_ms=milliseconds(merged["access_token_validity"], SECOND),
        refresh_token_ms=milliseconds(merged["refresh_token_validity"], MINUTE),
        absolute_ms=_if_set(merged["session_absolute_timeout"], MINUTE),
        key_interval_ms=milliseconds(merged[INTERVAL], HOUR),
        signing_algorithm=base.access_token_signing_algorithm,
        dynamic_keys=merged["access_token_signing_key_dynamic"],
        blacklisting=merged["access_token_blacklisting"],
        enable_anti_csrf=merged["enable_anti_csrf"],
        grace_ms=milliseconds(merged["refresh_token_rotation_grace_period"], SECOND),
        lost_response_ms=_if_set(merged["lost_response_window"], SECOND),
        theft_response=merged["theft_response"],
        theft_cases_ms=milliseconds(base.theft_cases, DAY),
        jitter=merged["access_token_validity_jitter"],
        reuse_is_theft=base.recent_token_reuse_behaviour == "TOKEN_THEFT",
        rollback=base.rollback,
    )


def as_stored(core_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is stored and shown: of API keys only the hashes. Raises ``Problem`` 400."""
    if core_config.get("api_keys") is None:
        return dict(core_config)
    hashes = [f"sha256:{key.digest.hex()}" for key in _valid("api_keys", core_config["api_keys"])]
    return dict(core_config) | {"api_keys": ",".join(hashes) or None}


def own_keys(app_id: str, core_config: Mapping[str, Any]) -> tuple[ApiKey, ...]:
    """Read the API keys that an app has of its own: they are valid for this app only.

    A stored text that cannot be read locks the app rather than open it.
    """
    given = core_config.get("api_keys")
    if given is None:
        return ()
    try:
        digests = [key.digest for key in _valid("api_keys", given)]
    except Problem:
        digests = [b""]
    return tuple(ApiKey.for_apps(digest, (app_id,)) for digest in digests)


def check_tenant(
    base: ServiceSettings, app_config: Mapping[str, Any], tenant_id: str, tenant_config: Mapping[str, Any]
) -> None:
    """Check the settings of a tenant against those of its app. Raises ``Problem`` 400."""
    if tenant_id == DEFAULT:
        return
    asked = _checked(tenant_config)
    holding = {key: getattr(base, key) for key in APP_KEYS} | _checked(app_config)
    for key, value in asked.items():
        if value != holding[key]:
            raise _invalid(f"You cannot set different values for {key} for the same appId")


def _checked(core_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal forms of the values, by the keys' own names. Keys of other recipes are left out."""
    vocabulary, valid = words(), {}
    for name, value in core_config.items():
        key = vocabulary.aliases.get(name, name)
        if key not in vocabulary.kinds:
            raise _invalid(f"Invalid config key: {name}")
        if key in APP_KEYS:
            valid[key] = _valid(key, parsed_for(vocabulary, key, value))
        elif key not in NO_EFFECT_FOR_APPS:
            raise _invalid(f"{name} {_BASE_ONLY}")
    return valid


def _if_set(amount: float | None, unit: int) -> int | None:
    return None if amount is None else milliseconds(amount, unit)


def _valid(key: str, value: object) -> Any:
    try:
        return rows(ServiceFields)[key].rule(rules.as_text(value) if key == "api_keys" else value)
    except InvalidValueError as invalid:
        raise _invalid(invalid.reason(key)) from None


def _invalid(reason: str) -> Problem:
    return Problem(400, f"Invalid core config: {reason}")
