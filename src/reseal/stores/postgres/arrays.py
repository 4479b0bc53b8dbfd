"""The arrays of a batch in the binary form of PostgreSQL, each encoded in one go. Knows no driver.

The driver's own way with lists finds out the type of each element and encodes it by itself: for a batch of twelve
sessions that takes longer than the rest of the driver's work.

Format: three int4 (dimensions, whether there is a NULL, type of the elements), the length and the first index, then
each element as an int4 with its length (-1 for NULL) and its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final, NamedTuple

from reseal.stores.rows import Array, Blobs, Flags, Numbers, Texts

_HEAD: Final = Struct("!iiIii").pack
_LENGTH: Final = Struct("!i").pack
_NUMBER: Final = Struct("!iq").pack
_NULL: Final = _LENGTH(-1)
_FLAGS: Final = _LENGTH(1) + b"\0", _LENGTH(1) + b"\1"


class ArrayType(NamedTuple):
    """A type of array: its OID, that of its elements, and how they are encoded, each with its length."""

    oid: int
    element: int
    parts: Callable[[Any], list[bytes]]

    def encode(self, values: Array) -> bytes:
        """Return the whole array."""
        parts = self.parts(values)
        return _HEAD(1, _NULL in parts, self.element, len(parts), 1) + b"".join(parts)


def _texts(values: Texts) -> list[bytes]:
    return [_NULL if each is None else _sized(each.encode()) for each in values]


def _blobs(values: Blobs) -> list[bytes]:
    return [_NULL if each is None else _sized(each) for each in values]


def _numbers(values: Numbers) -> list[bytes]:
    return [_NULL if each is None else _NUMBER(8, each) for each in values]


def _flags(values: Flags) -> list[bytes]:
    return [_FLAGS[each] for each in values]


def _sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


TYPES: Final[dict[type[Array], ArrayType]] = {
    Texts: ArrayType(1009, 25, _texts),
    Blobs: ArrayType(1001, 17, _blobs),
    Numbers: ArrayType(1016, 20, _numbers),
    Flags: ArrayType(1000, 16, _flags),
}
