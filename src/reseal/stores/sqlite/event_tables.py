"""The event outbox of one SQLite file, and the notes of those that deliver from it. Shared by async and sync.

There is one writer at a time, and an event is numbered when it is written, so numbers are in the order of the commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from reseal.core.kill_list import Kill
from reseal.core.notes import Note
from reseal.core.outbox import SEEN_EVERY, EventPage, Occurrence, PurgedEvents, Reports, Retention, over, page_of
from reseal.stores.sqlite import QUERIES

_SAVEPOINT: Final = "reported"
_ONE_STATEMENT: Final = nullcontext()


def together(db: sqlite3.Connection, reports: object) -> AbstractContextManager[None]:
    """Make a block atomic if it writes ``reports``; otherwise it has one statement, which is atomic anyway."""
    return _savepoint(db) if reports else _ONE_STATEMENT


@contextmanager
def _savepoint(db: sqlite3.Connection) -> Iterator[None]:
    """Roll the whole block back if it fails: SQLite rolls back the failed statement only, and the batch goes on."""
    db.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # otherwise the transaction was rolled back
            db.execute(f"ROLLBACK TO {_SAVEPOINT}")
            db.execute(f"RELEASE {_SAVEPOINT}")
        raise
    db.execute(f"RELEASE {_SAVEPOINT}")


def report(db: sqlite3.Connection, session: Sequence[Any], user_id: str, reports: Reports, now: int) -> None:
    """Write the events of a change, and its entry on the kill list. ``session`` begins with app, tenant and handle."""
    for each in reports:
        if isinstance(each, Kill):
            db.execute(QUERIES["kill"], (now, now + each.kept_ms, *session[:3]))
        else:
            db.execute(QUERIES["report"], (now, *session[:2], each.name.value, session[2], user_id, each.body()))


def append(db: sqlite3.Connection, occurrence: Occurrence, now: int) -> bool:
    row = occurrence.row(now)
    return db.execute(QUERIES["append_event"], (*row, row[0])).rowcount == 1


def find_consumer(db: sqlite3.Connection, consumer: str, now: int) -> int | None:
    """Return what a consumer has acknowledged; ``None`` if there is something to note of it first."""
    found = db.execute(QUERIES["consumer"], (consumer,)).fetchone()
    return None if found is None or found[1] <= now - SEEN_EVERY else int(found[0])


def note_consumer(db: sqlite3.Connection, consumer: str, now: int) -> int:
    """Note that a consumer was here; returns what it has acknowledged."""
    values = {"name": consumer, "last": _last(db), "now": now}
    return int(db.execute(QUERIES["note_consumer"], values).fetchone()[0])


def read(db: sqlite3.Connection, acknowledged: int, limit: int) -> EventPage:
    """Return what comes after a number."""
    db.execute("BEGIN")  # one snapshot
    try:
        return page_of(db.execute(QUERIES["events"], (acknowledged, limit)).fetchall(), acknowledged, _last(db))
    finally:
        db.execute("COMMIT")


def acknowledge(db: sqlite3.Connection, consumer: str, cursor: int) -> None:
    db.execute(QUERIES["acknowledge"], {"name": consumer, "cursor": cursor, "last": _last(db)})


def purge(db: sqlite3.Connection, limit: int, retention: Retention, now: int) -> PurgedEvents:
    (read_up_to,) = db.execute(QUERIES["least_acknowledged"]).fetchone()
    oldest: Iterable[tuple[int, int]] = db.execute(QUERIES["oldest_events"], (limit,)).fetchall()
    gone = over(oldest, read_up_to or 0, _last(db) - retention.events, now - retention.ms)
    if gone:
        db.execute(QUERIES["remove_events"], (gone[-1],))
    return PurgedEvents(len(gone), sum(seq > (read_up_to or 0) for seq in gone), more=len(gone) == limit)


def read_note(db: sqlite3.Connection, name: str) -> Note | None:
    found = db.execute(QUERIES["note"], (name,)).fetchone()
    return None if found is None else Note(*found)


def write_note(db: sqlite3.Connection, name: str, version: int, text: str) -> bool:
    return db.execute(QUERIES["update_note" if version else "insert_note"], (text, name, version)).rowcount == 1


def _last(db: sqlite3.Connection) -> int:
    return int(db.execute(QUERIES["last_event"]).fetchone()[0])
