"""The attempt key: proof that a repeated refresh comes from the same client.

A client generates random text before it refreshes, sends it with every retry for the same token, and generates a new
one only after it has received a new token. The key is not a credential: without the token it is useless. Only its hash
is stored, mixed with the token it was used for, so that equal keys of different generations have different hashes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from reseal.core.refresh_token import RefreshToken

_KEY: Final = re.compile(r"[\x21-\x7e]{1,256}")


def is_key(text: str) -> bool:
    """Return whether a text can be an attempt key: 1 to 256 visible ASCII characters."""
    return _KEY.fullmatch(text) is not None


def hash_of(token: RefreshToken, key: str) -> bytes | None:
    """Return the stored hash of an attempt key; ``None`` if it is malformed."""
    if not is_key(key):
        return None
    return hashlib.sha256(b"reseal attempt\0" + token.hash + key.encode()).digest()
