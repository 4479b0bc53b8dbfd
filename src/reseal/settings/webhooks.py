"""The endpoints of webhooks: their part of a configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from reseal.core import webhook_signatures
from reseal.core.events import OUTBOX_EVENTS, EventOutbox
from reseal.core.secret import Secret
from reseal.core.webhooks import TYPES, WebhookEndpoint
from reseal.settings.problems import InvalidValueError, shown
from reseal.settings.rules import Rule, amount, boolean, identifier

_URL: Final = re.compile(
    r"https?://(?:(?P<address>[0-9.]+|\[[0-9A-Fa-f:.]+\])|[A-Za-z0-9_-][A-Za-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][\x21\x22\x24-\x7e]*)?"
)
_SECRETS: Final = "secrets"
_SECRETS_FILE: Final = "secrets_file"
_MAKE: Final = 'make one with: echo "whsec_$(openssl rand -base64 32)"'


def webhooks(value: object) -> tuple[WebhookEndpoint, ...]:
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


def are_kept(endpoints: tuple[WebhookEndpoint, ...], outbox: EventOutbox) -> bool:
    """Return whether the outbox keeps the events that endpoints name."""
    kept = {TYPES[name] for name in OUTBOX_EVENTS[outbox]}
    return not endpoints or (bool(kept) and all(kept >= set(endpoint.events) for endpoint in endpoints))


def _endpoint(entry: object, faults: list[str]) -> WebhookEndpoint | None:
    if isinstance(entry, WebhookEndpoint):
        entry = {each.name: value for each in fields(entry) if (value := getattr(entry, each.name)) != ()}
    if not isinstance(entry, Mapping):
        faults.append(f"{shown(entry)} is no endpoint: write - name: …, url: …, secrets_file: …")
        return None
    own: list[str] = [f"{shown(key)} is not a known key" for key in entry if key not in _RULES]
    valid: dict[str, Any] = {}
    for key in entry:
        try:
            valid |= {key: _RULES[key](entry[key])} if key in _RULES else {}
        except InvalidValueError as invalid:
            own.append(f"{invalid.reason(key)}: {invalid.advice}")
    own += [f"'{key}' is missing" for key in ("name", "url") if key not in entry]
    if (_SECRETS in entry) == (_SECRETS_FILE in entry):
        own.append(f"either '{_SECRETS}' or '{_SECRETS_FILE}' is needed: {_MAKE}")
    if str(valid.get("url", "")).startswith("http:") and not valid.get("allow_private_addresses"):
        own.append("'url' must be https: only with allow_private_addresses: true it may be http")
    faults += [f"{_called(entry)}: {fault}" for fault in own]
    if own:
        return None
    from_file = valid.pop(_SECRETS_FILE, ())
    return WebhookEndpoint(**{_SECRETS: from_file} | valid)


def _called(entry: object) -> str:
    name = entry.name if isinstance(entry, WebhookEndpoint) else entry.get("name") if isinstance(entry, Mapping) else ""
    return shown(name) if name else "an endpoint without a name"


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValueError("must be JSON where it is text", 'write it like [{"name": "crm", …}]') from None


def _url(value: object) -> str:
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    with suppress(ValueError):  # of an address that is none
        if (
            found
            and int(found["port"] or 443) in range(1, 65536)
            and ip_address((found["address"] or "::").strip("[]"))
        ):
            return found[0]
    raise InvalidValueError(
        "must be an address that messages can be sent to", "write https://host/path, without user and fragment"
    )


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


def _secrets_in(value: object) -> tuple[Secret, ...]:
    """Read a file with one secret on each line."""
    try:
        text = Path(value if isinstance(value, str) else "").read_text("utf-8")
    except (OSError, ValueError):
        raise InvalidValueError("cannot be read", "name a readable file with a secret on each line") from None
    return _secrets([line.strip() for line in text.splitlines() if line.strip()])


def _events(value: object) -> tuple[str, ...]:
    known = list(TYPES.values())
    if not isinstance(value, list | tuple) or not value or not all(each in known for each in value):
        raise InvalidValueError("must be a list of types of messages", f"choose of {', '.join(known)}")
    return tuple(dict.fromkeys(value))


_RULES: Final[Mapping[object, Rule]] = {
    "name": identifier,
    "url": _url,
    _SECRETS: _secrets,
    _SECRETS_FILE: _secrets_in,
    "events": _events,
    "timeout": amount(1, 30, "must be between 1 and 30 seconds", "15 suits"),
    "allow_private_addresses": boolean,
}
