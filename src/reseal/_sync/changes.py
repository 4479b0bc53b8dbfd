# Generated from src/reseal/_async/changes.py by tools/unasync.py; edit that file instead.
"""Changes of session data that lose nothing to another writer: read, change, and write if nobody was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from reseal._sync.ports import Sessions
from reseal.core import payload
from reseal.core.access_token import Claims
from reseal.core.errors import Conflict, InvalidInput
from reseal.core.model import SessionRecord

T = TypeVar("T")

ATTEMPTS: Final = 100
"""Retries after losing a race. Of n writers at once the unluckiest needs n attempts."""
_FIELD: Final = "session_data"


def change_session_data(
    sessions: Sessions,
    read: Callable[[], SessionRecord],
    change: Callable[[Any], T],
    *,
    as_: type[Any] | None = None,
    seen: Claims | None = None,
) -> T:
    """Replace the data of the session that ``read`` finds by what ``change`` makes of it; returns that.

    Raises what ``change`` raises, ``InvalidInput``, and ``Conflict`` after 100 lost races; then nothing was changed.
    """
    for _ in range(ATTEMPTS):
        record = read()
        changed = change(read_data(record, as_))
        try:
            sessions.update(
                record.handle,
                session_data=_written(changed, as_),
                seen=seen,
                expected_version=record.version,
            )
        except Conflict:
            continue
        return changed
    raise Conflict


def read_data(record: SessionRecord, as_: type[T] | None) -> Any:
    """Read the data of a session, as a dict or as a value of ``as_``."""
    return payload.decode(record.session_data) if as_ is None else payload.decode_as(_FIELD, record.session_data, as_)


def _written(changed: Any, as_: type[Any] | None) -> Any:
    if changed is None:
        raise InvalidInput(_FIELD, "the function must return the new data; it returned None")
    return changed if as_ is None else payload.plain(_FIELD, changed)
