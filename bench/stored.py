"""Sessions for a store itself, without tokens: what the SQL alone costs."""

from __future__ import annotations

import hashlib

from reseal.core.model import Device, NewSession, Rotation, Scope

SCOPE = Scope()
_IDLE_MS = 10**9


class Line:
    """A session and its newest hash."""

    def __init__(self, handle: str) -> None:
        self.handle = handle
        self.generation = 0

    def begin(self) -> NewSession:
        return NewSession(
            handle=self.handle,
            user_id="user",
            token_hash=self._hash(),
            idle_ms=_IDLE_MS,
            absolute_ms=None,
            jwt_payload=b'{"role":"reader"}',
            session_data=b"{}",
            device=Device("127.0.0.1", None),
        )

    def step(self) -> Rotation:
        before = self._hash()
        self.generation += 1
        return Rotation(
            handle=self.handle,
            presented_hash=before,
            successor_hash=self._hash(),
            successor_sealed=bytes(60),
            idle_ms=_IDLE_MS,
            device=Device("127.0.0.1", None),
        )

    def _hash(self) -> bytes:
        return hashlib.sha256(f"{self.handle}/{self.generation}".encode()).digest()
