"""Jobs for a worker thread; those of one kind run as one statement.

At each statement and each row of its result, SQLite's thread releases the interpreter lock, and has to get it back from
a busy event loop. Shared by async and sync, and without threads.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from reseal.core.errors import StoreUnavailable

_DAMAGED: Final = "SQLITE_CORRUPT"

T = TypeVar("T")
Item = TypeVar("Item", bound=tuple[Any, ...])
Job = Callable[[sqlite3.Connection], T]
Submission = tuple[Any, Job[Any]]
"""Who waits, and for what."""
Outcome = tuple[Any, Any, BaseException | None]
"""The waiter, its result, its error."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[Item, T]):
    """Jobs that may go together, each for an item of its own: a tuple that begins with the key of a session.

    A statement writes a row once, so that later items for it run separately.
    """

    alone: Callable[[sqlite3.Connection, Item], T]
    """Runs one item: a lone caller does not pay for what several need."""
    together: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[T]]
    """Runs several, all or none, in one statement; gives their results in the same order."""

    def job(self, item: Item) -> Job[T]:
        """Make a job of this kind."""
        return _OfKind(self, item)


class _OfKind(msgspec.Struct, Generic[Item, T], frozen=True, eq=False, gc=False):
    kind: Kind[Item, T]
    item: Item

    def __call__(self, connection: sqlite3.Connection) -> T:
        return self.kind.alone(connection, self.item)


_Member = tuple[Any, _OfKind[Any, Any]]


def attempts(connection: sqlite3.Connection, batch: list[Submission]) -> Iterator[Sequence[Outcome]]:
    """Run jobs, those of a kind together, and give their outcomes statement by statement.

    If a statement for several fails it leaves nothing behind, and each of them goes by itself: only the owner of a bad
    one sees the error.
    """
    kinds, alone = _sorted(batch) if len(batch) > 1 else ([], batch)
    for kind, several in kinds:
        try:
            results = kind.together(connection, [job.item for _, job in several])
        except Exception:  # noqa: BLE001 - it shows below whose error it is
            alone = [*several, *alone]
            yield ()  # let it be seen first whether the transaction is still there
        else:
            yield [(waiter, result, None) for (waiter, _), result in zip(several, results, strict=True)]
    for waiter, job in alone:
        yield (_attempt(connection, waiter, job),)


def wrapped(error: Exception) -> Exception:
    """Wrap a driver's error, once, and keep it as the cause; other errors stay what they are."""
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    advice = " (the file is damaged: restore a backup)" if name.startswith(_DAMAGED) else ""
    unavailable = StoreUnavailable(f"SQLite: {name}{advice}")
    unavailable.__cause__ = error
    return unavailable


def _sorted(batch: Iterable[Submission]) -> tuple[list[tuple[Kind[Any, Any], list[_Member]]], list[Submission]]:
    """Return the kinds of which there are several, with one job for each row, and whatever goes alone."""
    kinds: dict[Kind[Any, Any], dict[Hashable, _Member]] = defaultdict(dict)
    alone: list[Submission] = []
    for submission in batch:
        waiter, job = submission
        if not isinstance(job, _OfKind):
            alone.append(submission)
            continue
        first_of_row, row = kinds[job.kind], job.item[:3]
        if row in first_of_row:
            alone.append(submission)
        else:
            first_of_row[row] = (waiter, job)
    several = [(kind, list(members.values())) for kind, members in kinds.items() if len(members) > 1]
    single = [member for members in kinds.values() if len(members) == 1 for member in members.values()]
    return several, [*single, *alone]


def _attempt(connection: sqlite3.Connection, waiter: Any, job: Job[Any]) -> Outcome:
    """Run one job; SQLite takes back a failed statement, and only that."""
    try:
        return waiter, job(connection), None
    except Exception as error:  # noqa: BLE001 - it belongs to the caller that waits for it
        return waiter, None, wrapped(error)
