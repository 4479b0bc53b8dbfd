"""The identity providers: their part of a configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import structs

from reseal.core.provider_keys import ALGORITHMS
from reseal.core.providers import LONGEST, IdentityProvider
from reseal.settings.origins import is_open_http, origin
from reseal.settings.problems import InvalidValueError, shown
from reseal.settings.rules import Rule, boolean

_URL: Final = re.compile(r"(https?://[^/?#@\s]+)(/[\x21\x22\x24-\x7e]*)?")
_REQUIRED: Final = ("issuer", "client_id", "jwks_uri")


def providers(value: object) -> tuple[IdentityProvider, ...]:
    """Require a list of providers, or its JSON. Raises ``InvalidValueError`` with all faults of all of them."""
    entries = _from_json(value) if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise InvalidValueError("must be a list of providers", "write each as - issuer: …, client_id: …, jwks_uri: …")
    faults: list[str] = []
    found = [provider for entry in entries if (provider := _provider(entry, faults)) is not None]
    keys = [(each.issuer, each.client_id) for each in found]
    faults += [
        f"{issuer}: is there twice with {client!r}" for issuer, client in set(keys) if keys.count((issuer, client)) > 1
    ]
    if faults:
        raise InvalidValueError("has providers that cannot be used", "; ".join(faults))
    return tuple(found)


def issuers_of(value: object) -> str:
    """Describe providers by their issuers."""
    return ", ".join(map(_called, value if isinstance(value, list | tuple) else ())) or "no list of providers"


def _provider(entry: object, faults: list[str]) -> IdentityProvider | None:
    given = structs.asdict(entry) if isinstance(entry, IdentityProvider) else entry
    if not isinstance(given, Mapping):
        faults.append(f"{shown(entry)} is no provider: write - issuer: …, client_id: …, jwks_uri: …")
        return None
    own = [f"{shown(key)} is not a known key" for key in given if key not in _RULES]
    own += [f"'{key}' is missing" for key in _REQUIRED if key not in given]
    valid: dict[str, Any] = {}
    for key in given:
        try:
            valid |= {key: _RULES[key](given[key])} if key in _RULES else {}
        except InvalidValueError as invalid:
            own.append(f"{invalid.reason(key)}: {invalid.advice}")
    faults += [f"{_called(given)}: {fault}" for fault in own]
    return None if own else IdentityProvider(**valid)


def _called(entry: object) -> str:
    issuer = entry.get("issuer") if isinstance(entry, Mapping) else getattr(entry, "issuer", "")
    return shown(issuer) if issuer else "a provider without an issuer"


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValueError("must be JSON where it is text", 'write it like [{"issuer": "https://…", …}]') from None


def _claim(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= LONGEST:
        return value
    raise InvalidValueError(f"must be text of 1 to {LONGEST} characters", "write it as the provider's tokens have it")


def _jwks_uri(value: object) -> str:
    match = _URL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError("must be a URL", "the provider's /.well-known/openid-configuration has it as jwks_uri")
    if is_open_http(origin(match[1])):
        raise InvalidValueError("must use https unless its host is loopback", "anybody on the path could send keys")
    return match[0]


def _algorithms(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(each in ALGORITHMS for each in value):
        raise InvalidValueError("must be a list of algorithms", f"choose of {', '.join(ALGORITHMS)}")
    return tuple(dict.fromkeys(value))


_RULES: Final[Mapping[object, Rule]] = {
    "issuer": _claim,
    "client_id": _claim,
    "jwks_uri": _jwks_uri,
    "algorithms": _algorithms,
    "older_tokens": boolean,
}
