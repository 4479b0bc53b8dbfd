"""The policies of sessions by name: their part of a configuration.

A policy overrides settings for its sessions, and its keys have their names and units.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import structs

from reseal.core.binding import WISHES
from reseal.core.session_policy import AT_LIMIT, MOST, SessionPolicy
from reseal.settings import rules
from reseal.settings.problems import InvalidValueError, shown
from reseal.settings.rules import MINUTE, SECOND, YEARS_100, Rule, amount, identifier, whole


class _Key(NamedTuple):
    """A key of a policy: the member that it sets, its rule, and how the value is kept."""

    member: str
    rule: Rule
    kept: Callable[[Any], object] = lambda value: value


_MINUTES: Final = amount(
    SECOND / MINUTE, YEARS_100 / MINUTE, "must be between 1 second and 100 years", "the unit is minutes"
)
_KEYS: Final[Mapping[object, _Key]] = {
    "refresh_token_validity": _Key("idle_ms", _MINUTES, lambda minutes: round(minutes * MINUTE)),
    "session_absolute_timeout": _Key("absolute_ms", _MINUTES, lambda minutes: round(minutes * MINUTE)),
    "access_token_validity": _Key(
        "access_token_ms",
        whole(1, 86_400_000, "must be between 1 and 86400000 seconds", "3600 is one hour"),
        lambda seconds: seconds * SECOND,
    ),
    "persistent": _Key("persistent", rules.boolean),
    "max_sessions": _Key(
        "max_sessions", whole(1, MOST, f"must be between 1 and {MOST}", "remove the key for no limit")
    ),
    "at_limit": _Key("at_limit", rules.choice(AT_LIMIT, f"must be one of {', '.join(AT_LIMIT)}")),
    "rotation_policy": _Key("rotation", rules.choice(("graceful", "classic"), "must be graceful or classic")),
    "theft_response": _Key("theft_response", rules.theft_response),
    "device_binding": _Key("device_binding", rules.choice(WISHES, "must be off, offer or require")),
}


def policies(value: object) -> tuple[SessionPolicy, ...]:
    """Require a table of policies by name, or its JSON. Raises ``InvalidValueError`` with all faults of all of them."""
    table = _from_json(value) if isinstance(value, str) else value
    if isinstance(table, list | tuple):
        table = {each.name if isinstance(each, SessionPolicy) else shown(each): each for each in table}
    if not isinstance(table, Mapping):
        raise InvalidValueError(
            "must be a table of policies by name", "write each as name: {refresh_token_validity: …}"
        )
    faults: list[str] = []
    found = [_policy(name, entry, faults) for name, entry in table.items()]
    if faults:
        raise InvalidValueError("has policies that cannot be used", "; ".join(faults))
    return tuple(policy for policy in found if policy is not None)


def names_of(value: object) -> str:
    """Describe policies by their names."""
    names = [getattr(each, "name", each) for each in value] if isinstance(value, tuple | list | Mapping) else []
    return ", ".join(map(shown, names)) or "no table of policies"


def are_within(policies: tuple[SessionPolicy, ...], seconds: int) -> bool:
    """Return whether no policy has access tokens that live longer than the keys are kept for."""
    return all((policy.access_token_ms or 0) <= seconds * SECOND for policy in policies)


def _policy(name: object, entry: object, faults: list[str]) -> SessionPolicy | None:
    own: list[str] = []
    members: dict[str, Any] = {}
    try:
        identifier(name)
    except InvalidValueError as invalid:
        own.append(f"the name {invalid.why}: {invalid.advice}")
    if isinstance(entry, SessionPolicy):
        members = structs.asdict(entry)
    elif isinstance(entry, Mapping):
        for key in entry:
            members |= _member(key, entry[key], own)
    else:
        own.append("must be a table of keys with values")
    faults += [f"{shown(name)}: {fault}" for fault in own]
    return None if own else SessionPolicy(**members | {"name": str(name)})


def _member(key: object, value: object, faults: list[str]) -> dict[str, Any]:
    if key not in _KEYS:
        faults.append(f"{shown(key)} is not a known key")
        return {}
    try:
        return {_KEYS[key].member: _KEYS[key].kept(_KEYS[key].rule(value))}
    except InvalidValueError as invalid:
        faults.append(f"{invalid.reason(str(key))}: {invalid.advice}")
        return {}


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValueError("must be JSON where it is text", 'write it like {"staff": {…}}') from None
