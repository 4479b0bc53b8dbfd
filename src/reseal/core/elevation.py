"""A session's level for a while: claims of its tokens that end by themselves.

It is one more member of the stored JWT payload: the claims, their end, and the generation of the refresh token that was
made with it. Tokens of earlier generations never get the level, and no token carries the member itself.

Whoever presents an earlier refresh token later on, as a client does whose response was lost, or a thief with a copy,
gets the same successor as ever; the level ends with that write. Times are of the process, in ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from reseal.core import payload
from reseal.core.access_token import Claims
from reseal.core.authentication import NAMES
from reseal.core.errors import InvalidInput
from reseal.core.model import SessionRecord

MEMBER: Final = "reseal:elevation"
MARK: Final = b'"reseal:elevation"'
"""A payload without these bytes has no level: most need no look into them."""
SHORTEST: Final = 1000
LONGEST: Final = 100 * 365 * 24 * 3600 * 1000


class Elevation(msgspec.Struct, frozen=True):
    """The member of the payload."""

    claims: dict[str, Any]
    until: int
    generation: int

    def holds(self, generation: int, now: int) -> bool:
        """Return whether a token of this generation has the level at ``now``, for a second at least."""
        return self.generation <= generation and now // 1000 < self.until // 1000


def refuse(members: Mapping[str, object] | None) -> None:
    """Raise ``InvalidInput`` for a payload of the caller's that has the member."""
    if isinstance(members, Mapping) and MEMBER in members:
        raise InvalidInput("jwt_payload", f"{MEMBER!r} is written by elevate alone: leave it out")


def end_of(now: int, for_ms: int) -> int:
    """Return the end of a level. Raises ``InvalidInput``."""
    if type(for_ms) is not int or not SHORTEST <= for_ms <= LONGEST:
        raise InvalidInput("for_", "must be a whole number of milliseconds, from 1000 to 100 years")
    return now + for_ms


def raised(present: bytes, claims: dict[str, Any], until: int, generation: int) -> bytes:
    """Return the payload with a level in place of the one that it may have."""
    member = msgspec.to_builtins(Elevation(claims, until, generation))
    return payload.encode("jwt_payload", {**payload.decode(present), MEMBER: member})


def shown(stored: bytes, generation: int, now: int) -> tuple[bytes, int | None]:
    """Return the payload that a token of this generation carries, and the end (ms) that the level sets it."""
    members, elevation = _read(stored)
    if elevation is None or not elevation.holds(generation, now):
        return payload.encode("jwt_payload", members), None
    return payload.encode("jwt_payload", {**members, **elevation.claims}), elevation.until


def in_token(stored: bytes, generation: int, now: int, exp: int) -> tuple[bytes, int]:
    """Return the payload of a token and its expiry (s), which is not after the end of the level."""
    text, until = shown(stored, generation, now)
    return text, exp if until is None else min(exp, until // 1000)


def is_current(claims: Claims, record: SessionRecord, now: Callable[[], int]) -> bool:
    """Return whether a token carries what it would get from the row."""
    carried, stored = bytes(claims.payload), record.jwt_payload
    return carried == stored or (MARK in stored and carried == shown(stored, claims.gen, now())[0])


def for_bearer(record: SessionRecord, carried: bytes) -> SessionRecord:
    """Return the session as the bearer of a token with this payload may have it: its level only if the token has it.

    The generation alone does not say so after the store was rolled back: there may be two of the same number.
    """
    if MARK not in record.jwt_payload:
        return record
    _, elevation = _read(record.jwt_payload)
    has = payload.decode(carried)
    if elevation is None or all(payload.equal(has.get(name), value) for name, value in elevation.claims.items()):
        return record
    return withdrawn(record, -1)


def without(stored: bytes) -> bytes:
    """Return the payload as it is without any level."""
    return payload.encode("jwt_payload", _read(stored)[0]) if MARK in stored else stored


def kept(present: bytes, wanted: bytes) -> bytes:
    """Return a new payload with the authentication and the level of the present one.

    Once a session has been elevated, its tokens may carry claims of the level: an application that writes back what it
    read from one must not make them the session's own.
    """
    if MARK not in present:
        if MARK in wanted:
            refuse(payload.decode(wanted))
        return wanted
    members = payload.decode(present)
    own: dict[str, object] = {name: members[name] for name in (*NAMES, MEMBER) if name in members}
    others = {name: value for name, value in payload.decode(wanted).items() if name not in {*NAMES, MEMBER}}
    return payload.encode("jwt_payload", {**others, **own})


def withdrawn(record: SessionRecord, generation: int) -> SessionRecord:
    """End a level that a token of this generation must not get; return the same row if there is none."""
    if MARK not in record.jwt_payload:
        return record
    _, elevation = _read(record.jwt_payload)
    if elevation is None or elevation.generation <= generation or not elevation.until:
        return record
    return replace(record, jwt_payload=raised(record.jwt_payload, {}, 0, elevation.generation))


def _read(stored: bytes) -> tuple[dict[str, Any], Elevation | None]:
    members = payload.decode(stored)
    member = members.pop(MEMBER, None)
    return members, None if member is None else msgspec.convert(member, Elevation)
