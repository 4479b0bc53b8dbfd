"""Checkpoints of the audit trail: entries that sign all rows before them.

A checkpoint states the hash of the row before it, the oldest row that is still kept, and the public key. The first one
after a key was replaced names the key before (``previous``). Its text without the signature is what is signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from reseal.core import base64url
from reseal.core.audit import AuditRow, canonical
from reseal.core.keys import SigningKey, jwk

KIND: Final = "checkpoint"
KEYS_APP: Final = "reseal:audit"
"""Under this name the store keeps the key. No app can have it."""
KID: Final = "checkpoints"
"""The first key; those that replace it are ``checkpoints-2`` and so on."""
ALGORITHM: Final = "EdDSA"
_SIGNATURE: Final = frozenset({"signature"})
"""What is not signed."""


def number_of(kid: str) -> int:
    """Return which key of all this is, from 1 on."""
    return int(kid.removeprefix(KID).removeprefix("-") or 1)


def signed(members: Mapping[str, Any], seq: int, previous: bytes, key: SigningKey) -> dict[str, Any]:
    """Return the members of a checkpoint that is to become the row ``seq`` behind the hash ``previous``."""
    whole = {**members, "kind": KIND, "seq": seq, "prev": previous.hex(), "key": jwk(key)["x"]}
    return {**whole, "signature": base64url.encode(key.sign(canonical(whole).encode()))}


def is_signed(members: Mapping[str, Any]) -> bool:
    """Return whether the signature of a checkpoint is that of the key which it names."""
    rest = {name: value for name, value in members.items() if name not in _SIGNATURE}
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(base64url.decode(members["key"]))
        public.verify(base64url.decode(members["signature"]), canonical(rest).encode())
    except (InvalidSignature, LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def exported(row: AuditRow) -> str:
    """Write a checkpoint for a place where whoever can change the store changes nothing."""
    return canonical({**json.loads(row.entry), "hash": row.hash.hex()})


def read_exported(text: str) -> AuditRow:
    """Read what :func:`exported` wrote. Raises ``ValueError`` if it is none, or its signature is not right."""
    try:
        members = json.loads(text)
        row = AuditRow(int(members["seq"]), "", bytes.fromhex(members.pop("hash")))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise ValueError("is not a checkpoint of an audit trail") from None
    if not is_signed(members):
        raise ValueError("is not signed by the key that it names")
    return row._replace(entry=canonical(members))
