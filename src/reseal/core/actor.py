"""Who acts in whose name: the ``act`` claim of a session that impersonates somebody (RFC 8693, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from reseal.core import payload
from reseal.core.errors import InvalidInput

CLAIM: Final = "act"
_MEMBER: Final = b'"act"'


class Actor(NamedTuple):
    """The user who acts, and the session to which this browser goes back."""

    user_id: str
    handle: str

    def claim(self) -> dict[str, dict[str, str]]:
        """Write the member of the JWT payload."""
        return {CLAIM: {"sub": self.user_id, "sid": self.handle}}


def actor_of(members: Mapping[str, Any]) -> Actor | None:
    """Read who acts in a session, by the members of its JWT payload; ``None`` if it is the user's own."""
    match members.get(CLAIM):
        case {"sub": str() as user_id, "sid": str() as handle}:
            return Actor(user_id, handle)
    return None


def refuse(members: Mapping[str, object] | None, present: Actor | None = None) -> None:
    """Refuse a payload that names another actor than the one who is ``present``. Raises ``InvalidInput``."""
    if isinstance(members, Mapping) and actor_of(members) not in {None, present}:  # what is no object is refused later
        raise InvalidInput("jwt_payload", "'act' with 'sub' and 'sid' says who acts for the user: call impersonate")


def kept(present: bytes, wanted: bytes) -> bytes:
    """Return a wanted payload with the actor of the present one, which no change of a payload replaces or removes.

    Raises ``InvalidInput`` if the wanted one names another actor.
    """
    if _MEMBER not in present and _MEMBER not in wanted:
        return wanted
    actor, members = actor_of(payload.decode(present)), payload.decode(wanted)
    refuse(members, actor)
    return wanted if actor is None else payload.encode("jwt_payload", {**members, **actor.claim()})
