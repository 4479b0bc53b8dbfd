"""The endpoints of webhooks: their part of a configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from reseal.core import webhook_signatures
from reseal.core.events import OUTBOX_EVENTS, EventOutbox
from reseal.core.secret import Secret
from reseal.core.webhooks import Endpoint, WebhookEndpoint
from reseal.settings.endpoints import Kind, SecretKeys, checked, in_file
from reseal.settings.logout_clients import LOGOUT
from reseal.settings.problems import InvalidValueError, shown
from reseal.settings.shared_signals import CAEP
from reseal.settings.syslog import SYSLOG

_FORMAT: Final = "format"
_MAKE: Final = 'make one with: echo "whsec_$(openssl rand -base64 32)"'


def webhooks(value: object) -> tuple[Endpoint, ...]:
    """Require a list of endpoints, or its JSON. Raises ``InvalidValueError`` with all faults of all endpoints."""
    entries = _from_json(value) if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise InvalidValueError("must be a list of endpoints", "write each as - name: …, url: …, secrets_file: …")
    faults: list[str] = []
    endpoints = [endpoint for entry in entries if (endpoint := _endpoint(entry, faults)) is not None]
    names = [endpoint.name for endpoint in endpoints]
    faults += [f"{name}: another endpoint has this name" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise InvalidValueError("has endpoints that cannot be used", "; ".join(faults))
    return tuple(endpoints)


def names_of(value: object) -> str:
    """Describe endpoints without their URLs and secrets."""
    return ", ".join(map(_called, value if isinstance(value, list | tuple) else ())) or "no list of endpoints"


def are_kept(endpoints: tuple[Endpoint, ...], outbox: EventOutbox) -> bool:
    """Return whether the outbox keeps the events that endpoints name."""
    kept = OUTBOX_EVENTS[outbox]
    named = [endpoint.SOURCES[kind] for endpoint in endpoints for kind in endpoint.events]
    return not endpoints or (bool(kept) and all(kept & sources or not sources for sources in named))


def _endpoint(entry: object, faults: list[str]) -> Endpoint | None:
    if isinstance(entry, Endpoint):
        own_format = next((name for name, kind in _KINDS.items() if kind.made is type(entry)), "")
        given = {each.name: value for each in fields(entry) if (value := getattr(entry, each.name)) not in _ABSENT}
        entry = {**given, _FORMAT: own_format}
    if not isinstance(entry, Mapping):
        faults.append(f"{shown(entry)} is no endpoint: write - name: …, url: …, secrets_file: …")
        return None
    kind = _KINDS.get(str(entry.get(_FORMAT, _WEBHOOK)))
    if kind is None:
        faults.append(f"{_called(entry)}: 'format' must be one of {', '.join(_KINDS)}")
        return None
    valid, own = checked({key: value for key, value in entry.items() if key != _FORMAT}, kind)
    faults += [f"{_called(entry)}: {fault}" for fault in own]
    return None if own else kind.made(**valid)


def _called(entry: object) -> str:
    name = entry.name if isinstance(entry, Endpoint) else entry.get("name") if isinstance(entry, Mapping) else ""
    return shown(name) if name else "an endpoint without a name"


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValueError("must be JSON where it is text", 'write it like [{"name": "crm", …}]') from None


def _secrets(value: object) -> tuple[Secret, ...]:
    texts = [value] if isinstance(value, str | Secret) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str | Secret) for each in texts):
        raise InvalidValueError("must be a secret or a list of secrets", _MAKE)
    secrets = tuple(each if isinstance(each, Secret) else Secret(each) for each in texts)
    try:
        for secret in secrets:
            webhook_signatures.check(secret)
    except ValueError as error:
        raise InvalidValueError(f"has an entry that is {error}", _MAKE) from None
    return secrets


def _secrets_in(text: str) -> tuple[Secret, ...]:
    """Read text with one secret on each line."""
    return _secrets([line.strip() for line in text.splitlines() if line.strip()])


_WEBHOOK: Final = "webhook"
_KINDS: Final[Mapping[str, Kind]] = {
    _WEBHOOK: Kind(
        WebhookEndpoint,
        {"secrets": _secrets, "secrets_file": in_file(_secrets_in, "name a readable file with a secret on each line")},
        (),
        (SecretKeys("secrets", _MAKE),),
    ),
    "caep": CAEP,
    "syslog": SYSLOG,
    "logout": LOGOUT,
}
"""By the value of ``format``."""
_ABSENT: Final = ((), None, "")
"""What stands for a key that was not given, in an endpoint made in code."""
