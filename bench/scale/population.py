"""Sessions by their number: whose each is, and what its row holds. The same number gives the same session again.

So none of ten million has to be remembered. A row is that of a session which the engine itself has begun, refreshed
and verified, but for its own names, hashes and times.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from msgspec.structs import replace

from reseal import AsyncEngine
from reseal.core import refresh_token
from reseal.core.events import Caller
from reseal.core.handles import new_handle
from reseal.core.model import Device, SessionRecord
from reseal.core.purging import KEPT, LOOK_AGAIN

BLOCK: Final = 1000
"""Sessions that are spread over users in the same way, again and again."""
HEAVY: Final = (100, *[25] * 8)
"""Sessions of the users who have many, in a block."""
LIGHT: Final = (1, 2, 3, 4)
"""Sessions of the others, in turn."""
CALLER: Final = Caller(
    Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
)
PAYLOAD: Final = {"role": "admin", "organisation": "6f0b8c1e", "amr": ["pwd"]}
HOUR: Final = 3600 * 1000
DAY: Final = 24 * HOUR
OWN: Final = frozenset(
    {
        *("handle", "user_id", "current_hash", "previous_hash", "successor_sealed"),
        *("created_at", "rotated_at", "confirmed_at", "last_seen_at", "expires_at", "due_at"),
    }
)
"""The columns in which rows differ."""
_NUMBER: Final = 32
"""Bits for a number of a session."""
_OLD: Final = 10**9
"""From this number on sessions are expired."""


def _users() -> Iterator[int]:
    """Name the user of each session of a block."""
    sizes = list(HEAVY)
    while sum(sizes) < BLOCK:
        sizes.append(min(LIGHT[len(sizes) % len(LIGHT)], BLOCK - sum(sizes)))
    for user, size in enumerate(sizes):
        yield from [user] * size


USERS: Final = tuple(_users())
_SIZES: Final = {user: USERS.count(user) for user in USERS}


class Session(NamedTuple):
    """A session and when it is due to be looked at, in milliseconds."""

    record: SessionRecord
    due_at: int


class Population:
    """All sessions that a store may be filled with. ``template``: one that the engine has made."""

    def __init__(self, engine: AsyncEngine, template: SessionRecord, now: int) -> None:
        self._scope = engine.settings.scope
        self._mac_key = engine._keeper.ring.refresh_key
        self._idle_ms = engine.settings.idle_ms
        self._template = template
        self._now = now
        self.generation = template.generation

    def session(self, number: int) -> Session:
        """Make a session: in the middle of its life, or expired if its number is one of :func:`expired`."""
        token, noise = self._made(number)
        age = int.from_bytes(noise[:4]) % (30 * DAY)
        rotated_at = self._now - min(age, int.from_bytes(noise[4:8]) % DAY)
        due_at = self._now + HOUR + int.from_bytes(noise[8:12]) % LOOK_AGAIN
        if number >= _OLD:
            rotated_at -= self._idle_ms + 2 * KEPT
            due_at = rotated_at + self._idle_ms + KEPT
        record = replace(
            self._template,
            handle=token.handle,
            user_id=user_of(number),
            current_hash=token.hash,
            previous_hash=noise[12:44],
            successor_sealed=noise[32:64],
            created_at=rotated_at - age,
            rotated_at=rotated_at,
            confirmed_at=rotated_at,
            last_seen_at=rotated_at,
            expires_at=rotated_at + self._idle_ms,
        )
        return Session(record, due_at)

    def token(self, number: int) -> refresh_token.RefreshToken:
        """Return the current refresh token of a session that was filled in and not used since."""
        return self._made(number)[0]

    def _made(self, number: int) -> tuple[refresh_token.RefreshToken, bytes]:
        random = _random(number)
        handle = new_handle(random[:16], "")
        token = refresh_token.mint(self._scope, self._mac_key, handle, self.generation, random[16:48])
        return token, random[48:] + random


def by_handle(size: int) -> Iterator[int]:
    """Name the sessions in the order of their handles: by the first five bytes of these, which is enough for a load."""
    keys = sorted(int.from_bytes(_random(number)[:5]) << _NUMBER | number for number in range(size))
    return (key & (1 << _NUMBER) - 1 for key in keys)


def expired(first: int, count: int) -> range:
    """Name sessions that are due to be removed."""
    return range(_OLD + first, _OLD + first + count)


def _random(number: int) -> bytes:
    return blake2b(number.to_bytes(8)).digest()


def user_of(number: int) -> str:
    """Name the user of a session."""
    block, place = divmod(number, BLOCK)
    return f"user-{block}-{USERS[place]}"


def sessions_of_its_user(number: int) -> int:
    """Count the sessions of the user of a session."""
    return _SIZES[USERS[number % BLOCK]]


async def template_of(engine: AsyncEngine) -> SessionRecord:
    """Begin, refresh and verify a session; return its row, and end it."""
    begun = await engine.create("template", PAYLOAD, caller=CALLER)
    used = await engine.refresh(begun.refresh_token or "", caller=CALLER)
    record = await engine.check(used.claims)
    await engine.revoke([record.handle])
    return record
