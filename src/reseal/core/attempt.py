"""The attempt key: how a client that repeats a refresh shows that it is the same one.

It is random text that a client makes before it asks, repeats with every repetition for the same token, and makes anew
only when a new token has come. It is no credential: it replaces no token, and without one it opens nothing. Only its
hash is kept, mixed with the token for which it was used, so that equal keys of different steps look different.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from reseal.core.refresh_token import RefreshToken

_KEY: Final = re.compile(r"[\x21-\x7e]{1,256}")


def is_key(text: str) -> bool:
    """Say whether a text can be an attempt key: 1 to 256 visible ASCII characters."""
    return _KEY.fullmatch(text) is not None


def hash_of(token: RefreshToken, key: str | None) -> bytes | None:
    """Give what a row keeps of the key of one attempt; ``None`` for none, and for text that cannot be one."""
    if key is None or not is_key(key):
        return None
    return hashlib.sha256(b"reseal attempt\0" + token.hash + key.encode()).digest()
