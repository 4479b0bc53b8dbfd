"""The audit trail: entries in a chain of hashes, in which no row can be changed, removed, inserted or moved unnoticed.

The hash of a row covers the row before it and the text of its entry, exactly as stored. Checkpoints are entries of the
chain that sign all before them: :mod:`reseal.core.audit_checkpoints`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

BEGINNING: Final = bytes(32)
"""What stands for the hash before the first row."""
_encode: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class AuditRow(NamedTuple):
    """A row as stored."""

    seq: int
    """From 1 on, without gaps."""
    entry: str
    """A JSON object in ASCII: sorted members, no spaces."""
    hash: bytes
    """32 bytes."""


def canonical(members: Mapping[str, Any]) -> str:
    """Write an entry. Members that are ``None`` are left out."""
    return _encode({name: value for name, value in members.items() if value is not None})


def hash_of(previous: bytes, entry: str) -> bytes:
    """Return the hash of a row by that of the row before it."""
    return hashlib.sha256(previous + entry.encode("utf-8", "surrogatepass")).digest()


def chained(head: AuditRow | None, entries: Iterable[Mapping[str, Any]]) -> tuple[AuditRow, ...]:
    """Make rows that follow ``head``, the last row there is. Each entry gets its number."""
    seq, previous = (head.seq, head.hash) if head else (0, BEGINNING)
    rows = []
    for members in entries:
        seq += 1
        text = canonical({**members, "seq": seq})
        previous = hash_of(previous, text)
        rows.append(AuditRow(seq, text, previous))
    return tuple(rows)
