"""One endpoint of a configuration: the keys that all have, and those of its format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

from reseal.core.webhooks import Endpoint
from reseal.settings.problems import InvalidValueError, shown
from reseal.settings.rules import Rule, amount, boolean, identifier

_URL: Final = re.compile(
    r"https?://(?:(?P<address>[0-9.]+|\[[0-9A-Fa-f:.]+\])|[A-Za-z0-9_-][A-Za-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][\x21\x22\x24-\x7e]*)?"
)


class SecretKeys(NamedTuple):
    """A secret that stands in the configuration, or in a file that it names."""

    key: str
    advice: str
    is_needed: bool = True

    @property
    def file_key(self) -> str:
        return f"{self.key}_file"

    def fault(self, entry: Mapping[object, object]) -> str | None:
        """Return what is wrong if an entry has both, or neither and needs one."""
        count = (self.key in entry) + (self.file_key in entry)
        if count == 1 or (count == 0 and not self.is_needed):
            return None
        return f"either '{self.key}' or '{self.file_key}' is needed: {self.advice}"


class Kind(NamedTuple):
    """What the endpoints of one format have of their own."""

    made: type[Endpoint]
    rules: Mapping[object, Rule]
    needed: tuple[str, ...]
    secrets: tuple[SecretKeys, ...] = ()


def in_file(read: Callable[[str], object], advice: str) -> Rule:
    """Make the rule for the name of a file from that for its content."""

    def rule(value: object) -> object:
        try:
            text = Path(value if isinstance(value, str) else "").read_text("utf-8")
        except (OSError, ValueError):
            raise InvalidValueError("cannot be read", advice) from None
        return read(text)

    return rule


def checked(entry: Mapping[Any, object], kind: Kind) -> tuple[dict[str, Any], list[str]]:
    """Return the values of an entry, and its faults."""
    rules = {**_RULES, "events": _events(kind), **kind.rules}
    faults = [f"{shown(key)} is not a known key" for key in entry if key not in rules]
    valid: dict[str, Any] = {}
    for key in entry:
        try:
            valid |= {key: rules[key](entry[key])} if key in rules else {}
        except InvalidValueError as invalid:
            faults.append(f"{invalid.reason(key)}: {invalid.advice}")
    faults += [f"'{key}' is missing" for key in ("name", "url", *kind.needed) if key not in entry]
    faults += [fault for each in kind.secrets if (fault := each.fault(entry))]
    if str(valid.get("url", "")).startswith("http:") and not valid.get("allow_private_addresses"):
        faults.append("'url' must be https: only with allow_private_addresses: true it may be http")
    files = {each.file_key: each.key for each in kind.secrets}
    return {files.get(key, key): value for key, value in valid.items()}, faults


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


def _events(kind: Kind) -> Rule:
    known = list(kind.made.SOURCES)

    def rule(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value or not all(each in known for each in value):
            raise InvalidValueError("must be a list of types of messages", f"choose of {', '.join(known)}")
        return tuple(dict.fromkeys(value))

    return rule


_RULES: Final[Mapping[object, Rule]] = {
    "name": identifier,
    "url": _url,
    "timeout": amount(1, 30, "must be between 1 and 30 seconds", "15 suits"),
    "allow_private_addresses": boolean,
}
