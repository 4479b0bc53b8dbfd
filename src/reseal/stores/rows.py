"""Sessions as rows of a table, and back: the columns in the order of ``queries.sql``. Knows no driver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from reseal.core import purging
from reseal.core.model import (
    Device,
    EndReason,
    NewSession,
    Rotation,
    Scope,
    SessionRecord,
    StoredTenant,
    TenantChanges,
)
from reseal.core.selection import Before, Place, UserPlace

Values = dict[str, Any]
"""The named parameters of a statement."""
Key = tuple[str, str, str]
"""App, tenant and handle."""
_BROKEN: Final = "\ufffd"


def storable(text: str) -> bool:
    """Tell whether a server's text column can hold this. What it cannot hold is in no row."""
    return "\0" not in text and encodable(text)


def encodable(text: str) -> bool:
    """Tell whether SQLite can hold this: everything but lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def scoped(scope: Scope) -> Values:
    return {"app_id": scope.app_id, "tenant_id": scope.tenant_id}


def key(values: Values) -> Key:
    """Say which session parameters are about."""
    return values["app_id"], values["tenant_id"], values["handle"]


def of_new(scope: Scope, new: NewSession) -> Values:
    """Give the parameters of an ``insert`` that takes the time in the statement."""
    return scoped(scope) | {
        "handle": new.handle,
        "user_id": new.user_id,
        "token_hash": new.token_hash,
        "idle_ms": new.idle_ms,
        "absolute_ms": new.absolute_ms,
        "jwt_payload": new.jwt_payload.decode(),
        "session_data": new.session_data.decode(),
        "use_static_key": new.use_static_key,
        "ip": _evidence(new.device.ip),
        "user_agent": _evidence(new.device.user_agent),
        "due_ms": purging.first_look(new),
    }


def of_rotation(scope: Scope, rotation: Rotation) -> Values:
    """Give the parameters of ``rotate``."""
    return scoped(scope) | {
        "handle": rotation.handle,
        "presented_hash": rotation.presented_hash,
        "successor_hash": rotation.successor_hash,
        "successor_sealed": rotation.successor_sealed,
        "attempt_hash": rotation.attempt_hash,
        "idle_ms": rotation.idle_ms,
        "ip": _evidence(rotation.device.ip),
        "user_agent": _evidence(rotation.device.user_agent),
    }


def of_record(scope: Scope, record: SessionRecord) -> Values:
    """Give every column: the parameters of ``replace``, and of an ``insert`` whose time is known."""
    return scoped(scope) | {
        "handle": record.handle,
        "user_id": record.user_id,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "absolute_expires_at": record.absolute_expires_at,
        "generation": record.generation,
        "current_hash": record.current_hash,
        "previous_hash": record.previous_hash,
        "successor_sealed": record.successor_sealed,
        "rotated_at": record.rotated_at,
        "confirmed_at": record.confirmed_at,
        "attempt_hash": record.attempt_hash,
        "replayed": record.replayed,
        "collided": record.collided,
        "estranged": record.estranged,
        "jwt_payload": record.jwt_payload.decode(),
        "session_data": record.session_data.decode(),
        "use_static_key": record.use_static_key,
        "ip": _evidence(record.device.ip),
        "user_agent": _evidence(record.device.user_agent),
        "last_seen_at": record.last_seen_at,
        "ended_at": record.ended_at,
        "end_reason": record.end_reason and record.end_reason.value,
        "version": record.version,
    }


def of_user(scope: Scope, user_id: str, after: UserPlace, limit: int) -> Values:
    """Return the parameters of ``list_user``."""
    place = {"after_created_at": after.created_at, "after_handle": after.handle}
    return scoped(scope) | place | {"user_id": user_id, "limit": limit}


def of_before(which: Before, after: Place, limit: int) -> Values:
    """Give the parameters of ``before`` and ``before_of_user``."""
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


def as_arrays(rows: Iterable[Values]) -> Values:
    """Turn the parameters of several statements into those of one: an array for each."""
    several = list(rows)
    return {name: [row[name] for row in several] for name in several[0]}


def to_record(row: Sequence[Any]) -> SessionRecord:
    """Read the columns of a session."""
    return SessionRecord(
        handle=row[0],
        user_id=row[1],
        created_at=row[2],
        expires_at=row[3],
        absolute_expires_at=row[4],
        generation=row[5],
        current_hash=row[6],
        previous_hash=row[7],
        successor_sealed=row[8],
        rotated_at=row[9],
        confirmed_at=row[10],
        attempt_hash=row[11],
        replayed=row[12],
        collided=row[13],
        estranged=row[14],
        jwt_payload=row[15].encode(),
        session_data=row[16].encode(),
        use_static_key=bool(row[17]),  # SQLite has no booleans
        device=Device(row[18], row[19]),
        last_seen_at=row[20],
        ended_at=row[21],
        end_reason=row[22] and EndReason(row[22]),
        version=row[23],
    )


def _evidence(text: str | None) -> str | None:
    """Make storable what is kept only as evidence: a strange user agent must not stand in the way of a refresh."""
    if text is None or storable(text):
        return text
    return text.replace("\0", _BROKEN).encode(errors="replace").decode()


def changed_after(revision: int, since: int) -> int:
    """Choose the revision to read from: what the store has not reached is of a state that was put back since."""
    return since if since <= revision else 0


def tenant_changes(
    revision: int, after: int, there: Iterable[tuple[str, str, int, str]], gone: Iterable[tuple[str, str, int]]
) -> TenantChanges:
    """Take of each tenant what happened last; the two were not read at the same moment."""
    removed = {Scope(app_id, tenant_id): at for app_id, tenant_id, at in gone} if after else {}
    kept = []
    for app_id, tenant_id, at, config in there:
        scope = Scope(app_id, tenant_id)
        if removed.pop(scope, 0) < at:
            kept.append(StoredTenant(scope, config.encode()))
        else:
            removed[scope] = at
    return TenantChanges(revision, after, tuple(kept), tuple(removed))
