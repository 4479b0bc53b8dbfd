"""Pseudonyms in the audit trail, and the fields that only the key of a person opens.

Each user of an app has a key of 32 random bytes. Pseudonym and reference of a session are HMACs with it, and what
could identify the user is encrypted with it. Without the key nobody can tell whose entries they were.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.core import base64url
from reseal.core.acting import USER
from reseal.core.audit import canonical
from reseal.core.events import Event

KID: Final = "person"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_SHOWN: Final = 16


def keys_app(app_id: str, user_id: str) -> str:
    """Return the name under which the store keeps the key of a user. No app can have it."""
    return "reseal:person:" + hashlib.sha256(json.dumps([app_id, user_id]).encode()).hexdigest()


def pseudonym(key: bytes) -> str:
    """Return the pseudonym of the person whose key it is: 32 hexadecimal digits."""
    return _keyed(key, "pseudonym")


def entry_of(event: Event, number: int, key: bytes, actor: str | None, nonce: bytes) -> dict[str, Any]:
    """Return the entry of an event. ``number`` is that of the outbox, ``actor`` the pseudonym of a user who caused it.

    ``nonce``: 12 bytes, never used twice.
    """
    by = event.by or "system"
    private = {
        "session_handle": event.session_handle or None,
        "user_id": event.user_id,
        "ip": event.device.ip,
        "user_agent": event.device.user_agent,
        "other_ip": event.other_device and event.other_device.ip,
        "other_user_agent": event.other_device and event.other_device.user_agent,
        "correlation_id": event.correlation_id,
        "note": event.note,
    }
    sealed = nonce + _aead(key).encrypt(nonce, canonical(private).encode(), str(event.id).encode())
    return {
        "kind": "event",
        "number": number,
        "id": event.id,
        "at": event.at,
        "app": event.scope.app_id,
        "tenant": event.scope.tenant_id,
        "name": event.name.value,
        "reason": event.reason,
        "user": None if event.user_id is None else pseudonym(key),
        "session": _keyed(key, f"session {event.session_handle}") if event.session_handle else None,
        "by": f"{USER}{actor}" if actor else by,
        "sealed": base64url.encode(sealed),
    }


def opened(members: dict[str, Any], key: bytes) -> dict[str, Any] | None:
    """Return the private members of an entry; ``None`` if it is another person's."""
    raw = base64url.decode(str(members.get("sealed", "")))
    try:
        text = _aead(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], str(members.get("id")).encode())
    except (InvalidTag, ValueError):
        return None
    return dict(json.loads(text))


def _keyed(key: bytes, purpose: str) -> str:
    return hmac.digest(key, purpose.encode("utf-8", "surrogatepass"), "sha256")[:_SHOWN].hex()


def _aead(key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key, b"fields", "sha256"))
