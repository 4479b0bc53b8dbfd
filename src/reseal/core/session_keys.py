"""The keys of sessions: how long they take to follow one another, and what they are called."""

from __future__ import annotations

import hmac
from typing import Final

from reseal.core.key_ring import NEVER, RingPolicy
from reseal.core.keys import RSA_BITS

PUBLICATION_LEAD: Final = 120_000
"""Milliseconds between publishing a key and signing with it: longer than any cache of the JWKS is fresh."""
RELOAD_EVERY: Final = 30_000
"""Milliseconds after which another process's new key is looked for; well inside the publication lead."""
DYNAMIC: Final = "n-"
STATIC: Final = "m-"
PREFIXES: Final = (DYNAMIC, STATIC)
"""How the ids of our signing keys begin: those of the service begin otherwise, and may lie beside them."""


class SessionKeys(RingPolicy):
    """One key signs, whatever its algorithm and whether it is to be replaced, until the next one does."""

    __slots__ = ()

    def first_name(self, refresh_key: bytes, _algorithm: str, _moment: int) -> str:
        """Return one name for all who begin."""
        return self._name(refresh_key, 0)

    def next_name(self, refresh_key: bytes, algorithm: str, moment: int, *, changes: bool) -> str:
        """Return a name for the moment, and one of its own for each change of the algorithm."""
        return self._name(refresh_key, moment) + (f"-{algorithm.lower()}" if changes else "")

    def _name(self, refresh_key: bytes, moment: int) -> str:
        """Name a key so that no other database has one of that name, and all processes choose the same one."""
        kind = STATIC if self.interval_ms == NEVER else DYNAMIC
        mark = hmac.digest(refresh_key, f"reseal key name {moment}".encode(), "sha256")[:6]
        return f"{kind}{moment:013}-{mark.hex()}"


def session_keys(algorithm: str, *, interval_ms: int | None, token_ms: int) -> RingPolicy:
    """Return the policy of sessions.

    ``interval_ms``: how long a key signs, ``None`` for a static one. ``token_ms``: how long an access token lives.
    """
    return SessionKeys(
        prefixes=PREFIXES,
        algorithms=(algorithm,),
        lead_ms=PUBLICATION_LEAD,
        reload_ms=RELOAD_EVERY,
        rsa_bits=RSA_BITS,
        interval_ms=NEVER if interval_ms is None else interval_ms,
        tail_ms=token_ms + PUBLICATION_LEAD + 1,  # still verifies in the millisecond in which the lead ends
    )


PUBLISHED: Final = session_keys("", interval_ms=None, token_ms=NEVER)
"""The policy of a ring that was read from a JWKS: it verifies with all that is published."""
