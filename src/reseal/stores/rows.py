"""Sessions as rows of a table, and back: the columns in the order of ``queries.sql``. Knows no driver."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reseal.core import outbox, purging
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Device, EndReason, NewSession, Rotation, Scope, SessionRecord, StoredTenant, TenantChanges
from reseal.core.outbox import Reports
from reseal.core.selection import Before, Place, UserPlace

Values = dict[str, Any]
"""The named parameters of a statement."""
Key = tuple[str, str, str]
"""App, tenant and handle."""
_BROKEN: Final = "\ufffd"
_NO_END: Final = 2**63 - 1

_FIELDS: Final = SessionRecord.__struct_fields__
COLUMNS: Final = tuple(column for name in _FIELDS for column in (Device._fields if name == "device" else (name,)))
"""The columns of a session, in the order of the fields of its record: what a query selects as ``{columns}``."""
_FIXED: Final = frozenset({"handle", "user_id", "created_at", "version"})
"""What no caller changes; the statement itself counts up the version."""
_CONVERTED: Final = frozenset({*Device._fields, "jwt_payload", "session_data", "end_reason"})
_READ: Final = {
    "jwt_payload": "{0}.encode()",
    "session_data": "{0}.encode()",
    "use_static_key": "bool({0})",  # SQLite has no booleans
    "end_reason": "{0} and EndReason({0})",
}
"""How to read the columns that are not kept as they are."""
_AS_THEY_ARE: Final = tuple(column for column in COLUMNS if column not in _CONVERTED)


_ROTATED: Final = {
    "current_hash": "rotation.successor_hash",
    "previous_hash": "rotation.presented_hash",
    "successor_sealed": "rotation.successor_sealed",
    "confirmed_at": "None",
    "attempt_hash": "rotation.attempt_hash",
    "last_seen_at": "row[{rotated_at}]",
    "ended_at": "None",
    "end_reason": "None",
    "policy": "None",
}
"""The columns that need not be read after a rotation, because the rotation says what they are."""


def fragments(table: str, parameter: str) -> dict[str, str]:
    """Return the parts of queries that name every column; ``parameter`` is how a statement writes ``{}``."""
    return {
        "columns": ", ".join(COLUMNS),
        "columns_of_rotated": ", ".join(column for column in COLUMNS if column not in _ROTATED),
        f"{table}.columns": ", ".join(f"{table}.{column}" for column in COLUMNS),
        "assignments": ", ".join(f"{each} = {parameter.format(each)}" for each in COLUMNS if each not in _FIXED),
    }


def _compiled_reader(parameters: str, known: Mapping[str, str]) -> Callable[..., SessionRecord]:
    """Write the function that reads a row, as a dataclass's ``__init__`` is written.

    A session is read at each refresh, and a loop over its columns takes half as long again.
    """
    at = {column: n for n, column in enumerate(column for column in COLUMNS if column not in known)}
    values = {column: _READ.get(column, "{0}").format(f"row[{n}]") for column, n in at.items()}
    values |= {column: value.format(**at) for column, value in known.items()}
    values["device"] = f"Device({', '.join(values.pop(name) for name in Device._fields)})"
    arguments = ", ".join(f"{name}={values[name]}" for name in _FIELDS)
    names = {"SessionRecord": SessionRecord, "Device": Device, "EndReason": EndReason}
    reader: Callable[..., SessionRecord] = eval(f"lambda {parameters}: SessionRecord({arguments})", names)  # noqa: S307 - of our own names
    return reader


to_record: Final[Callable[[Sequence[Any]], SessionRecord]] = _compiled_reader("row", {})
"""Read the columns of a session; what stands after them in the row is ignored."""
to_rotated: Final[Callable[[Sequence[Any], Rotation], SessionRecord]] = _compiled_reader("row, rotation", _ROTATED)
"""Read what a query returns as ``{columns_of_rotated}`` after a rotation; what stands after it is ignored."""


def storable(text: str) -> bool:
    """Return whether a server's text column can hold this. What it cannot hold is in no row."""
    return "\0" not in text and (text.isascii() or encodable(text))


def encodable(text: str) -> bool:
    """Return whether SQLite can hold this: everything but lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def scoped(scope: Scope) -> Values:
    return {"app_id": scope.app_id, "tenant_id": scope.tenant_id}


def of_new(scope: Scope, new: NewSession) -> Values:
    """Return the parameters of an ``insert`` that takes the time in the statement."""
    device = new.device
    return {
        "app_id": scope.app_id,
        "tenant_id": scope.tenant_id,
        "handle": new.handle,
        "user_id": new.user_id,
        "token_hash": new.token_hash,
        "idle_ms": new.idle_ms,
        "absolute_ms": new.absolute_ms,
        "jwt_payload": new.jwt_payload.decode(),
        "session_data": new.session_data.decode(),
        "use_static_key": new.use_static_key,
        "ip": device.ip and _evidence(device.ip),
        "user_agent": device.user_agent and _evidence(device.user_agent),
        "about": new.about,
        "policy": new.policy,
        "due_ms": purging.first_look(new),
    }


def of_rotation(scope: Scope, rotation: Rotation) -> Values:
    """Return the parameters of ``rotate``."""
    device = rotation.device
    return {
        "app_id": scope.app_id,
        "tenant_id": scope.tenant_id,
        "handle": rotation.handle,
        "presented_hash": rotation.presented_hash,
        "successor_hash": rotation.successor_hash,
        "successor_sealed": rotation.successor_sealed,
        "attempt_hash": rotation.attempt_hash,
        "idle_ms": rotation.idle_ms,
        "ip": device.ip and _evidence(device.ip),
        "user_agent": device.user_agent and _evidence(device.user_agent),
    }


def in_order(scope: Scope, rotation: Rotation) -> tuple[Any, ...]:
    """Return the parameters of SQLite's ``rotate`` without their names.

    Its driver looks each time for somebody who would convert ``bytes`` or ``None``, but takes other types as they are.
    So bytes go as a ``bytearray``, and for what is absent goes an empty one, or 0 for text.
    """
    hashes = rotation.presented_hash, rotation.successor_hash, rotation.successor_sealed, rotation.attempt_hash or b""
    device = [0 if text is None else _evidence(text) for text in rotation.device]
    return (*scope, rotation.handle, *map(bytearray, hashes), rotation.idle_ms, *device)


def reported(values: Values, reports: Reports) -> Values:
    """Add the events of a change to the parameters of its statement, and for how long it is on the kill list."""
    if not reports:
        return values
    kill = outbox.kill_of(reports)
    return values | {"reports": outbox.as_json(reports)} | ({"kept_ms": kill.kept_ms} if kill else {})


def query(name: str, values: Values) -> str:
    """Name the form of a query that writes the events among its parameters, if there are any, and the kill list."""
    if "kept_ms" in values:
        return f"{name}_killed"
    return f"{name}_reported" if "reports" in values else name


def of_record(scope: Scope, record: SessionRecord) -> Values:
    """Return every column: the parameters of ``replace``."""
    values = scoped(scope) | {column: getattr(record, column) for column in _AS_THEY_ARE} | _of_device(record.device)
    values["jwt_payload"] = record.jwt_payload.decode()
    values["session_data"] = record.session_data.decode()
    values["end_reason"] = record.end_reason and record.end_reason.value
    return values


def of_user(scope: Scope, user_id: str, after: UserPlace, limit: int) -> Values:
    """Return the parameters of ``list_user``."""
    place = {"after_created_at": after.created_at, "after_handle": after.handle}
    return scoped(scope) | place | {"user_id": user_id, "limit": limit}


def of_ended(scope: Scope, user_id: str, within: int, limit: int) -> Values:
    """Return the parameters of ``list_ended``."""
    return scoped(scope) | {"user_id": user_id, "within": within, "limit": limit}


def of_before(which: Before, after: Place, limit: int) -> Values:
    """Return the parameters of ``before`` and ``before_of_user``."""
    return {
        "app_id": which.app_id,
        "tenant_id": which.tenant_id,
        "user_id": which.user_id,
        "moment": which.moment,
        "after_tenant": after.tenant_id,
        "after_handle": after.handle,
        "limit": limit,
    }


def with_scopes(which: Before, found: Iterable[Sequence[Any]]) -> tuple[tuple[Scope, SessionRecord], ...]:
    """Read rows that begin with the tenant."""
    return tuple((Scope(which.app_id, row[0]), to_record(row[1:])) for row in found)


class Texts(list[str | None]):
    """An array of texts."""


class Blobs(list[bytes | None]):
    """An array of bytes."""


class Numbers(list[int | None]):
    """An array of whole numbers."""


class Flags(list[bool]):
    """An array of truth values."""


Array = Texts | Blobs | Numbers | Flags
_HASHES: Final = ("token_hash", "presented_hash", "successor_hash", "successor_sealed", "attempt_hash", "current_hash")
_ARRAYS: Final[dict[str, type[Array]]] = {
    **dict.fromkeys(_HASHES, Blobs),
    **dict.fromkeys(("idle_ms", "absolute_ms", "due_ms", "generation"), Numbers),
    "use_static_key": Flags,
}
"""The types of the parameters that are not texts."""


def as_arrays(rows: Iterable[Values]) -> Values:
    """Turn the parameters of several statements into those of one: an array for each. Not all need have ``reports``."""
    several = list(rows)
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in several] for name in max(several, key=len)}
    return {name: _ARRAYS.get(name, Texts)(column) for name, column in columns.items()}


def by_key(found: Iterable[Sequence[Any]], asked: Container[Key]) -> dict[Key, Any]:
    """Map rows by the app, tenant and handle that they begin with. Raises ``StoreUnavailable`` for an unknown one."""
    sorted_rows: dict[Key, Any] = {(row[0], row[1], row[2]): row for row in found}
    for each in sorted_rows:
        require_asked(each, asked)
    return sorted_rows


def require_asked(found: object, asked: Container[object]) -> None:
    """Make sure that a row is about what was asked for: it could answer somebody else's question.

    That must never be, and was so where processes shared a connection. Raises ``StoreUnavailable``.
    """
    if found not in asked:
        raise StoreUnavailable("the server gave a row that was not asked for: does something share its connections?")


def _of_device(device: Device) -> Values:
    return {
        "ip": device.ip and _evidence(device.ip),
        "user_agent": device.user_agent and _evidence(device.user_agent),
    }


def _evidence(text: str) -> str:
    """Make storable what is kept only as evidence: a strange user agent must not stand in the way of a refresh."""
    if storable(text):
        return text
    return text.replace("\0", _BROKEN).encode(errors="replace").decode()


def changed_after(revision: int, since: int) -> int:
    """Choose the revision to read from: what the store has not reached is of a state that was put back since."""
    return since if since <= revision else 0


class TenantsPage(NamedTuple):
    """Changes of tenants that are read together: those after one revision, until another."""

    revision: int
    """The one up to which the page is complete."""
    after: int
    more: bool

    @property
    def values(self) -> Values:
        """The parameters of a query. The last page has no end: it may contain changes after its revision."""
        return {"after": self.after, "until": self.revision if self.more else _NO_END}


def tenants_page(revision: int, after: int, end: int | None) -> TenantsPage:
    """Cut a page off at ``end``, the revision of its last row if there are so many."""
    if end is None or end >= revision:
        return TenantsPage(revision, after, more=False)
    return TenantsPage(end, after, more=True)


def tenant_changes(
    page: TenantsPage, there: Iterable[tuple[str, str, int, str, int]], gone: Iterable[tuple[str, str, int]]
) -> TenantChanges:
    """Take of each tenant what happened last; the two were not read at the same moment."""
    removed = {Scope(app_id, tenant_id): at for app_id, tenant_id, at in gone} if page.after else {}
    kept = []
    for app_id, tenant_id, at, config, created_at in there:
        scope = Scope(app_id, tenant_id)
        if removed.pop(scope, 0) < at:
            kept.append(StoredTenant(scope, config.encode(), created_at))
        else:
            removed[scope] = at
    return TenantChanges(page.revision, page.after, tuple(kept), tuple(removed), page.more)
