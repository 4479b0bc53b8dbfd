"""Validation of stored and signed values: JSON objects and user ids must read back exactly as given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from reseal.core import ids
from reseal.core.errors import GeneralError, InvalidInput
from reseal.core.model import USER_ID_MAX

T = TypeVar("T")

EMPTY: Final = b"{}"
_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def encode(field: str, value: Mapping[str, object] | None) -> bytes:
    """Encode a JSON object. Raises ``InvalidInput`` naming ``field`` unless it reads back equal.

    This rejects values that JSON would change silently: NaN and infinities, tuples, non-text keys, dates, integers
    beyond 64 bits, lone surrogates, and nesting too deep to read.
    """
    if value is None:
        return EMPTY
    if not isinstance(value, Mapping):
        raise InvalidInput(field, f"must be a JSON object (a dict), not {type(value).__name__}")
    given = dict(value)
    problem = None
    try:
        text = _ENCODER.encode(given)
        same = equal(_OBJECT.decode(text), given)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        problem = type(error).__name__
    if problem is not None:  # raised outside the handler: some of these errors contain the value
        raise InvalidInput(field, f"is not JSON: {problem}")
    if not same:
        raise InvalidInput(
            field,
            "holds values that JSON cannot keep (only dict, list, str, int of 64 bits, float, bool and None)",
        )
    return text


def decode(text: bytes) -> dict[str, Any]:
    """Decode a stored object; each call returns a new one."""
    return _OBJECT.decode(text)


def decode_as(field: str, text: bytes, kind: type[T]) -> T:
    """Decode a stored object as a dataclass, a ``TypedDict`` or a msgspec ``Struct``.

    Raises ``GeneralError`` naming ``field`` if the stored object does not match ``kind``.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        problem = str(error)
    raise GeneralError(f"{field}: the stored object does not match {kind.__name__}: {problem}")


def plain(field: str, value: object) -> dict[str, Any]:
    """Convert such a value to a JSON object. Raises ``InvalidInput`` naming ``field``."""
    problem = f"must be a JSON object, not {type(value).__name__}"
    try:
        made = msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError) as error:
        made, problem = None, f"is not JSON: {type(error).__name__}"
    if not isinstance(made, dict):
        raise InvalidInput(field, problem)
    return made


def largest_member(text: bytes) -> str:
    """Return the name of the largest member."""
    members = _OBJECT.decode(text)
    return max(members, key=lambda name: len(_ENCODER.encode({name: members[name]})), default="")


def check_user_id(user_id: str) -> str:
    """Return the user id as plain text. Raises ``InvalidInput`` for text that not every store can keep unchanged."""
    user_id = ids.user_id(user_id)
    if not 1 <= len(user_id) <= USER_ID_MAX:
        raise InvalidInput("user_id", f"must have 1 to {USER_ID_MAX} characters, not {len(user_id)}")
    if "\0" in user_id or not _is_unicode(user_id):
        raise InvalidInput("user_id", "must be Unicode text without NUL characters")
    return user_id


def equal(a: object, b: object) -> bool:
    """Compare values and types: for JSON, ``1``, ``1.0`` and ``True`` are different values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, int) and not _SMALLEST <= a <= _LARGEST:
        return False  # some readers keep it, others round it
    return a == b


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
