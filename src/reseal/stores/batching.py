"""Which writes of a batch go into one statement, which writes a row once at most. Knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reseal.core.model import NewSession, Rotation, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.stores.rows import Key

Insert = tuple[Scope, NewSession, Reports]
Rotate = tuple[Scope, Rotation, Reports]
Result = SessionRecord | Exception | None


def first_of_each(keys: Iterable[Key]) -> dict[Key, int]:
    """Find which of several writes are the first ones to their sessions; returns their numbers."""
    first: dict[Key, int] = {}
    for n, key in enumerate(keys):
        first.setdefault(key, n)
    return first


def keys_of_inserts(batch: Iterable[Insert]) -> list[Key]:
    return [(*scope, new.handle) for scope, new, _ in batch]


def keys_of_rotations(batch: Iterable[Rotate]) -> list[Key]:
    return [(*scope, rotation.handle) for scope, rotation, _ in batch]


def unsettled(batch: Sequence[Rotate], results: Sequence[Result]) -> list[int]:
    """Find the rotations that need a statement of their own after the first one of each session.

    Of several that present one token the first gets the step; if it does not, the token is not current. Another token
    of the same session goes after it, and so does one that stood behind an error.
    """
    keys = keys_of_rotations(batch)
    first = first_of_each(keys)

    def is_settled(n: int) -> bool:
        leader = first[keys[n]]
        same = batch[leader][1].presented_hash == batch[n][1].presented_hash
        return n == leader or (same and not isinstance(results[leader], Exception))

    return [n for n in range(len(batch)) if not is_settled(n)]
