"""Reading a request's fields, with the error texts that clients match (core interface, section 2.2).

The first invalid field is reported. Operations read their fields in the order of the interface, so that the same field
comes first. A ``null`` field is invalid, even if it is optional; unknown fields are ignored. JSON is parsed strictly:
old cores accepted comments, single quotes and repeated names, this service does not. The parser would keep the last of
two members with one name, where a proxy may have checked the first; so members are counted.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from reseal.cdi.problem import INVALID_JSON, Problem

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_MOST_PARAMETERS: Final = 100
T = TypeVar("T")


class Body:
    """The JSON object of a POST, PUT or DELETE request."""

    def __init__(self, raw: bytes) -> None:
        """Raise ``Problem`` unless the body is a JSON object in UTF-8 without repeated names."""
        try:
            self._fields = _OBJECT.decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Problem(400, INVALID_JSON) from error
        members = _members(self._fields)
        if raw.count(b":") != members and _colons(raw) != members:  # seldom is there a colon in a text
            raise Problem(400, INVALID_JSON)

    def is_null(self, name: str) -> bool:
        """Return whether a field is present with the value ``null``, which few fields allow."""
        return name in self._fields and self._fields[name] is None

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if type(value) is str:
            return value
        raise _invalid(name)

    def text_or_none(self, name: str) -> str | None:
        return self._optional(name, str)

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if type(value) is bool:
            return value
        raise _invalid(name)

    def flag_or(self, name: str, default: bool) -> bool:  # noqa: FBT001 - the default is the flag
        return self.flag(name) if name in self._fields else default

    def flag_or_none(self, name: str) -> bool | None:
        return self._optional(name, bool)

    def object(self, name: str) -> dict[str, Any]:
        value = self._fields.get(name)
        if type(value) is dict:
            return value
        raise _invalid(name)

    def object_or_none(self, name: str) -> dict[str, Any] | None:
        return self._optional(name, dict)

    def whole_or_none(self, name: str) -> int | None:
        return self._optional(name, int)

    def whole(self, name: str) -> int:
        """Read a whole number, truncated: SDKs compute some durations from milliseconds."""
        value = self._fields.get(name)
        if type(value) is float and math.isfinite(value):
            return int(value)
        if type(value) is int:
            return value
        raise _invalid(name)

    def texts_or_none(self, name: str) -> list[str] | None:
        values = self._optional(name, list)
        if values is not None and not all(isinstance(value, str) for value in values):
            raise _invalid(name)
        return values

    def _optional(self, name: str, kind: type[T]) -> T | None:
        if name not in self._fields:
            return None
        value = self._fields[name]
        if type(value) is not kind:
            raise _invalid(name)
        return value


class Query:
    """The query of a GET request: the first value of each name."""

    def __init__(self, raw: bytes) -> None:
        """Raise ``Problem`` unless the query is percent-encoded UTF-8."""
        self._pairs: dict[str, str] = {}
        if not raw:
            return
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
            )
        except ValueError as error:
            raise Problem(400, "Invalid query") from error
        self._pairs = dict(reversed(pairs))

    def text(self, name: str) -> str:
        if name not in self._pairs:
            raise Problem(400, f"Field name '{name}' is missing in GET request")
        return self._pairs[name]

    def flag_or(self, name: str, default: bool) -> bool:  # noqa: FBT001 - the default is the flag
        return self._pairs[name] == "true" if name in self._pairs else default


NO_QUERY: Final = Query(b"")


def _members(value: Any) -> int:
    """Count the members of all objects in a parsed document."""
    count, rest = 0, [value]
    for current in rest:  # grows
        if type(current) is dict:
            count += len(current)
            rest += current.values()
        elif type(current) is list:
            rest += current
    return count


def _colons(raw: bytes) -> int:
    """Count the colons outside strings, one per member. Only for documents that were parsed successfully."""
    if b"\\" in raw:
        raw = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(raw.split(b'"')[::2]).count(b":")


def _invalid(name: str) -> Problem:
    return Problem(400, f"Field name '{name}' is invalid in JSON input")
