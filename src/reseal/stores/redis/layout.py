"""The names of keys, and what is kept under them.

Sessions are spread over shards, each of which is in one slot of a cluster with all that changes with its sessions: what
is due, all their names, and the events that report changes. A user's index is in the shard of the user. What there is
once in a store is in a slot of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from reseal.core.model import Device, Scope, SessionRecord
from reseal.core.purging import KEPT

SHARDS: Final = 128
"""How many: a cluster can have as many nodes, and who looks for events asks each of them."""
KEPT_BY_SERVER: Final = 35 * KEPT
"""After so long past its end (ms) the server removes a session, whatever else should keep it or has not removed it."""
_PRIME: Final = 1_000_003
_VERSION: Final = 8
_AT: Final = 8
_SEPARATOR: Final = "\0"
"""In no app, tenant, user id or handle that is stored."""
encode: Final = msgspec.msgpack.Encoder().encode
_decode_record: Final = msgspec.msgpack.Decoder(SessionRecord).decode
decode: Final = msgspec.msgpack.Decoder().decode


class Stored(NamedTuple):
    """A session as stored."""

    record: SessionRecord
    adopted_at: int
    """When it went on from a token newer than the store; 0: never."""

    @property
    def value(self) -> bytes:
        """What is kept."""
        return version_of(self.record.version) + self.adopted_at.to_bytes(_AT) + encode(self.record)


class Shard(NamedTuple):
    """The keys of a shard."""

    due: str
    """When to look at which session next."""
    members: str
    """All its sessions, in the order of their names."""
    outbox: str
    """Events that have no number yet."""
    adopted: str
    claims: str
    kills: str
    """Entries of the kill list that have no number yet."""


class Layout:
    """The keys of one store. ``prefix`` keeps those of several apart."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.kill_news = self.once("kills", "news")
        """The channel on which new entries of the kill list are announced."""
        self.shards = tuple(Shard(*(f"{{{prefix}:{n}}}:{name}" for name in Shard._fields)) for n in range(SHARDS))

    def once(self, *names: str) -> str:
        """Name what there is once in a store."""
        return f"{{{self._prefix}}}:{':'.join(names)}"

    def session(self, member: str) -> str:
        return self._spread("session", member)

    def shard_of(self, member: str) -> Shard:
        return self.shards[_number(member)]

    def index(self, scope: Scope, user_id: str) -> str:
        """Name the handles of a user's sessions."""
        return self._spread("user", name_of(scope, user_id))

    def marked(self, scope: Scope, mark: str) -> str:
        """Name the handles of the sessions that bear the mark of an identity provider."""
        return self._spread("mark", name_of(scope, mark))

    def turn(self, scope: Scope, name: str) -> str:
        """Name what one caller at a time holds; of a user it is in the slot of the index."""
        return self._spread("turn", name_of(scope, name))

    def cases(self, scope: Scope) -> str:
        return self._spread("cases", _SEPARATOR.join(scope))

    def _spread(self, kind: str, name: str) -> str:
        return f"{{{self._prefix}:{_number(name)}}}:{kind}:{name}"


def name_of(scope: Scope, name: str) -> str:
    """Name a session, or a user, among those of all apps and tenants; in the order of these."""
    return _SEPARATOR.join((*scope, name))


def handle_of(member: str) -> str:
    return member.rpartition(_SEPARATOR)[2]


def parts_of(member: bytes) -> tuple[Scope, str]:
    """Read the name of a session."""
    app_id, tenant_id, handle = member.decode().split(_SEPARATOR)
    return Scope(app_id, tenant_id), handle


def version_of(version: int) -> bytes:
    """Return what the value of a session begins with."""
    return version.to_bytes(_VERSION)


def stored_of(value: bytes | None) -> Stored | None:
    """Read the value of a session."""
    if value is None:
        return None
    return Stored(_decode_record(value[_VERSION + _AT :]), int.from_bytes(value[_VERSION : _VERSION + _AT]))


def life_of(record: SessionRecord, now: int) -> int:
    """Return for how many ms the server keeps a session, if nobody removes it before."""
    return max(0, record.expires_at - now) + KEPT_BY_SERVER


def storable(device: Device) -> Device:
    """Return evidence without what cannot be encoded."""
    return Device(*(text and text.encode(errors="replace").decode() for text in device))


def scored(found: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Read an answer in which a number follows each member."""
    return [(member, int(score)) for member, score in zip(found[::2], found[1::2], strict=True)]


def number_of(value: Any) -> int:
    """Read a number that may be absent."""
    return int(value or 0)


def _number(name: str) -> int:
    return int.from_bytes(name.encode()) % _PRIME % SHARDS
