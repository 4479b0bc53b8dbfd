"""The ``act`` claim of a session that impersonates a user (RFC 8693, section 4.1), and what is not done in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from reseal.core import payload
from reseal.core.errors import ClaimFailure, InvalidClaims, InvalidInput

CLAIM: Final = "act"
MARK: Final = b'"act"'
"""A payload without these bytes names no actor: most need no look into them."""

REASON: Final = "reason"


class Actor(NamedTuple):
    """The acting user, and the session to which this browser returns."""

    user_id: str
    handle: str

    def claim(self, **more: str) -> dict[str, dict[str, str]]:
        """Return the member of the JWT payload."""
        return {CLAIM: {"sub": self.user_id, "sid": self.handle, **more}}


def actor_of(members: Mapping[str, Any]) -> Actor | None:
    """Return the actor named by a JWT payload; ``None`` for a session of the user's own."""
    match members.get(CLAIM):
        case {"sub": str() as user_id, "sid": str() as handle}:
            return Actor(user_id, handle)
    return None


def stored(text: bytes) -> Actor | None:
    """Return the actor named by a stored payload."""
    return actor_of(payload.decode(text)) if MARK in text else None


def without_reason(text: bytes) -> tuple[bytes, str | None]:
    """Return the payload of an impersonation that begins as it is stored, and the reason stated in its ``act``.

    The reason comes with the claim, so that it reaches whoever writes the session; it goes into the event alone.
    """
    members = payload.decode(text)
    reason = members[CLAIM].pop(REASON, None)
    return payload.encode("jwt_payload", members), reason


def refuse(members: Mapping[str, object] | None, present: Actor | None = None) -> None:
    """Raise ``InvalidInput`` for a payload that names an actor other than ``present``."""
    if isinstance(members, Mapping) and actor_of(members) not in {None, present}:  # non-objects are rejected later
        raise InvalidInput("jwt_payload", "'act' with 'sub' and 'sid' says who acts for the user: call impersonate")


@dataclass(frozen=True, slots=True)
class NotImpersonated:
    """Nobody else may act as the user: a claim check, for what only the user may do."""

    @property
    def id(self) -> str:
        return CLAIM

    def failure(self, payload: Mapping[str, object], now: int) -> object | None:  # noqa: ARG002
        return None if actor_of(payload) is None else {"message": "not while acting as another user"}


def demand_own(members: Mapping[str, object]) -> None:
    """Raise ``InvalidClaims`` for the payload of a session in which another user acts."""
    reason = NotImpersonated().failure(members, 0)
    if reason is not None:
        raise InvalidClaims((ClaimFailure(CLAIM, reason),))


def kept(present: bytes, wanted: bytes) -> bytes:
    """Return the new payload with the actor of the present one: no update may replace or remove it.

    Raises ``InvalidInput`` if the new payload names another actor.
    """
    if MARK not in present and MARK not in wanted:
        return wanted
    actor, members = actor_of(payload.decode(present)), payload.decode(wanted)
    refuse(members, actor)
    return wanted if actor is None else payload.encode("jwt_payload", {**members, **actor.claim()})
