"""Session keys of Django: the handle of a session, signed.

In Django the key is a secret, and code relies on that: it opens the session of whoever names it, as the app client of
allauth's headless API does. A handle is no secret, since scripts can read it and logs contain it.
"""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Final

from django.conf import settings as django_settings
from django.utils.crypto import constant_time_compare, salted_hmac

_SALT: Final = "reseal.django.session_key"
_SIGNATURE: Final = 18
"""Characters of a signature: 108 bits. With the 22 of a handle a key has the 40 that packages keep room for."""


def key_of(handle: str) -> str:
    """Return the session key of a session."""
    return _key(handle, django_settings.SECRET_KEY)


def handle_of(key: str | None) -> str | None:
    """Return the handle in a session key; ``None`` for a key that was not made here."""
    if not key or len(key) <= _SIGNATURE:
        return None
    handle = _long(key[:-_SIGNATURE])
    # The whole key is compared, since a handle can be spelled in several ways.
    return handle if any(constant_time_compare(key, _key(handle, secret)) for secret in _secrets()) else None


def _secrets() -> Iterator[str | bytes]:
    yield django_settings.SECRET_KEY
    yield from django_settings.SECRET_KEY_FALLBACKS


def _key(handle: str, secret: str | bytes) -> str:
    digest = salted_hmac(_SALT, handle, secret=secret, algorithm="sha256").digest()
    return _short(handle) + urlsafe_b64encode(digest).decode()[:_SIGNATURE]


def _short(handle: str) -> str:
    """Write the UUID that most handles are in 22 characters; that of a tenant has more in it, and stays as it is."""
    try:
        return urlsafe_b64encode(uuid.UUID(handle).bytes).decode().rstrip("=")
    except ValueError:
        return handle


def _long(text: str) -> str:
    try:
        return str(uuid.UUID(bytes=urlsafe_b64decode(f"{text}==")))
    except ValueError:  # other characters, or another length
        return text
