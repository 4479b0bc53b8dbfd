"""The arrays of a batch in the binary form of PostgreSQL, with one function call for each array.

The driver's own dumper of lists finds out the type of each element and calls a dumper for it: for a batch of twelve
sessions that takes longer than the rest of the driver's work.

Format: three int4 (dimensions, whether there is a NULL, type of the elements), the length and the first index, then
each element as an int4 with its length (-1 for NULL) and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, ClassVar, Final

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

from reseal.stores.rows import Array, Blobs, Flags, Numbers, Texts

_HEAD: Final = Struct("!iiIii").pack
_LENGTH: Final = Struct("!i").pack
_NUMBER: Final = Struct("!iq").pack
_NULL: Final = _LENGTH(-1)
_FLAGS: Final = _LENGTH(1) + b"\0", _LENGTH(1) + b"\1"


class _ArrayDumper(Dumper):
    """``oid``: of the array type."""

    format = Format.BINARY
    element: ClassVar[int]
    """OID of the elements."""

    def dump(self, obj: Any) -> bytes:
        parts = self.parts(obj)
        return _HEAD(1, _NULL in parts, self.element, len(obj), 1) + b"".join(parts)

    @staticmethod
    def parts(values: Any) -> list[bytes]:
        """Encode each element, with its length."""
        raise NotImplementedError


class _TextsDumper(_ArrayDumper):
    oid, element = 1009, 25

    @staticmethod
    def parts(values: Iterable[str | None]) -> list[bytes]:
        return [_NULL if each is None else _sized(each.encode()) for each in values]


class _BlobsDumper(_ArrayDumper):
    oid, element = 1001, 17

    @staticmethod
    def parts(values: Iterable[bytes | None]) -> list[bytes]:
        return [_NULL if each is None else _sized(each) for each in values]


class _NumbersDumper(_ArrayDumper):
    oid, element = 1016, 20

    @staticmethod
    def parts(values: Iterable[int | None]) -> list[bytes]:
        return [_NULL if each is None else _NUMBER(8, each) for each in values]


class _FlagsDumper(_ArrayDumper):
    oid, element = 1000, 16

    @staticmethod
    def parts(values: Iterable[bool]) -> list[bytes]:
        return [_FLAGS[each] for each in values]


def register(adapters: AdaptersMap) -> None:
    """Let statements take these arrays as parameters."""
    for kind, dumper in _DUMPERS.items():
        adapters.register_dumper(kind, dumper)


def _sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


_DUMPERS: Final[dict[type[Array], type[Dumper]]] = {
    Texts: _TextsDumper,
    Blobs: _BlobsDumper,
    Numbers: _NumbersDumper,
    Flags: _FlagsDumper,
}
