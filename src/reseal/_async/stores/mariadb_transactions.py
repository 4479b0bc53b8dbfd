"""What other servers do in one statement, as several in MariaDB and MySQL: rows are locked, judged, and written.

Locks are taken in the order of the primary key, so that nobody waits in a circle. What is committed on another node of
a cluster meanwhile shows only at the commit: then all of it is done again.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from reseal._async.stores import mariadb_kills
from reseal._async.stores.batched_writes import Rows
from reseal._async.stores.servers import AsyncServerLink, Row
from reseal.core.outbox import ID_BYTES
from reseal.stores.mariadb.errors import TAKEN, ServerError
from reseal.stores.mariadb.statements import Table
from reseal.stores.rows import Key, Values

_KEY: Final = ("app_id", "tenant_id", "handle")
_NEW: Final = (
    *_KEY,
    *("user_id", "token_hash", "idle_ms", "absolute_ms", "jwt_payload", "session_data", "use_static_key", "ip"),
    *("user_agent", "about", "policy", "due_ms"),
)
_STEP: Final = (
    *_KEY,
    *("presented_hash", "successor_hash", "successor_sealed", "attempt_hash", "idle_ms", "ip", "user_agent"),
)
_USER_ID: Final = 3
_LOCKS: Final = 256
"""Rows of which users share one: two with the same number wait for one another in vain, which harms nobody."""


class _Report(msgspec.Struct):
    name: str
    body: msgspec.Raw


_reports: Final = msgspec.json.Decoder(list[_Report]).decode


async def _insert(link: AsyncServerLink, values: Values) -> Rows:
    if "reports" not in values:
        return await _insert_sessions(link, values)
    async with link.transaction():
        return await _insert_sessions(link, values)


async def _insert_sessions(link: AsyncServerLink, values: Values) -> Rows:
    """Insert all, or none; a lone one whose handle is taken is left out."""
    now, _, _ = await _time(link, values)
    asked = _each(values, _NEW)
    try:
        await link.fetch("insert_sessions", {"rows": [_beginning(each, now) for each in asked]})
    except ServerError as error:
        if error.number != TAKEN or len(asked) > 1:
            raise
        return []
    await _report(link, [(*_key(each), each["user_id"]) for each in asked], _texts(values, len(asked)), now)
    return [(*_key(each), now) for each in asked]


async def _rotate(link: AsyncServerLink, values: Values) -> Rows:
    asked = _each(values, _STEP)
    texts = dict(zip(map(_key, asked), _texts(values, len(asked)), strict=True))
    async with link.transaction():
        wanted = Table({name: each[name] for name in (*_KEY, "presented_hash")} for each in asked)
        found = await link.fetch("lock_to_rotate", values | {"asked": wanted})
        if not found:
            return []
        locked = {row[:3]: None for row in found}
        written = {"now": found[0][3], "wall": found[0][4]}
        await link.fetch("write_rotated", written | {"asked": Table(each for each in asked if _key(each) in locked)})
        keys = Table({name: each[name] for name in _KEY} for each in asked if _key(each) in locked)
        rotated = await link.fetch("get_rotated", written | {"asked": keys})
        changed = [row[:4] for row in rotated]
        await _report(link, changed, [texts[row[:3]] for row in changed], written["now"])
    return rotated


async def _confirm(link: AsyncServerLink, values: Values) -> Rows:
    """Mark what is to be marked, and read it once more: who was faster has marked it."""
    names = (*_KEY, "generation", "current_hash")
    asked = [each | {"place": place} for place, each in enumerate(_each(values, names), 1)]
    found = await link.fetch("look_to_confirm", values | {"asked": Table(asked)})
    meant = {row[-2] for row in found if row[-1]}
    if not meant:
        return [row[:-1] for row in found]
    pending = Table(each for each in asked if each["place"] in meant)
    await link.fetch("write_confirmed", {"asked": pending, "now": found[0][0]})
    again = await link.fetch("look_to_confirm", values | {"asked": pending})
    others = [(*again[0][:2], *row[2:-1]) for row in found if row[-2] not in meant]
    return [row[:-1] for row in again] + others


async def _get_each(link: AsyncServerLink, values: Values) -> Rows:
    keys = zip(values["app_ids"], values["tenant_ids"], values["handles"], strict=True)
    asked = Table(dict(zip(_KEY, key, strict=True)) for key in keys)
    return await link.fetch("get_asked", values | {"asked": asked})


async def _replace(link: AsyncServerLink, values: Values) -> Rows:
    if "reports" not in values:
        return await link.fetch("replace_session", values)
    async with link.transaction():
        done = await link.fetch("replace_session", values)
        if done:
            now, _, _ = await _time(link, values)
            changed = [(*_key(values), values["user_id"])]
            await _report(link, changed, [values["reports"]], now)
            await mariadb_kills.kill(link, changed, values, now)
    return done


async def _end(link: AsyncServerLink, values: Values) -> Rows:
    return [row[:1] for row in await _end_locked(link, "lock_to_end", values)]


async def _end_user(link: AsyncServerLink, values: Values) -> Rows:
    return await _end_locked(link, "lock_to_end_user", values)


async def _end_locked(link: AsyncServerLink, lock: str, values: Values) -> Rows:
    async with link.transaction():
        found = await link.fetch(lock, values)
        if found:
            now, _, _ = await _time(link, values)
            ending = {"note": None} | values | {"now": now, "handles": [handle for handle, _ in found]}
            await link.fetch("write_ended", ending)
            changed = [(values["app_id"], values["tenant_id"], *row) for row in found]
            await _report(link, changed, [values.get("reports")] * len(found), now)
            await mariadb_kills.kill(link, changed, values, now)
    return found


async def _lock_user(link: AsyncServerLink, values: Values) -> Rows:
    """Have others of the same user wait until the transaction ends."""
    name = "/".join((values["app_id"], values["tenant_id"], values["user_id"]))
    return await link.fetch("add_user_lock", {"name": name, "locks": _LOCKS})


async def _claim(link: AsyncServerLink, values: Values) -> Rows:
    now, _, _ = await _time(link, values)
    if values["until"] <= now:
        return []
    for _ in range(2):  # a claim that is over may be forgotten between the two statements
        done = await link.fetch("insert_claim", values | {"now": now})
        done = done or await link.fetch("renew_claim", values | {"now": now})
        if done:
            return done
    return []


async def _purge_claims(link: AsyncServerLink, values: Values) -> Rows:
    now, _, _ = await _time(link, values)
    return await link.fetch("remove_claims", values | {"now": now})


async def _purge(link: AsyncServerLink, values: Values) -> Rows:
    async with link.transaction():
        now, _, _ = await _time(link, values)
        due = await link.fetch("lock_due", values | {"now": now})
        gone = Table(dict(zip(_KEY, row, strict=False)) for row in due if row[3] <= now - values["kept_ms"])
        kept = Table(dict(zip(_KEY, row, strict=False)) for row in due if row[3] > now - values["kept_ms"])
        if gone:
            await link.fetch("remove_due", {"asked": gone})
        if kept:
            await link.fetch("put_off", values | {"now": now, "asked": kept})
    return [(len(due), len(gone))]


async def _backlog(link: AsyncServerLink, values: Values) -> Rows:
    now, _, _ = await _time(link, values)
    return await link.fetch("count_due", values | {"now": now})


async def _live_sessions(link: AsyncServerLink, values: Values) -> Rows:
    now, _, _ = await _time(link, values)
    return await link.fetch("count_live", {"now": now})


async def _put_tenant(link: AsyncServerLink, values: Values) -> Rows:
    async with link.transaction():
        now, _, _ = await _time(link, values)
        written = values | {"now": now, "revision": await _next_revision(link)}
        is_new = not await link.fetch("update_tenant", written)
        if is_new:
            await link.fetch("insert_tenant", written)
    return [(is_new,)]


async def _note_gone_tenant(link: AsyncServerLink, values: Values) -> Rows:
    return await link.fetch("add_gone_tenant", values | {"revision": await _next_revision(link)})


async def _next_revision(link: AsyncServerLink) -> int:
    """Count the revision up, which others wait for until the transaction ends."""
    await link.fetch("count_tenant_revision")
    [(revision,)] = await link.fetch("tenant_revision")
    return int(revision)


async def _remove_sessions(link: AsyncServerLink, values: Values) -> Rows:
    return [(await link.write("remove_some_sessions", values),)]


async def _number_events(link: AsyncServerLink, values: Values) -> Rows:
    """Number events, in the transaction that holds the lock of the number."""
    [(last,)] = await link.fetch("lock_event_number")
    found = await link.fetch("unnumbered_events", values)
    if found:
        numbered = Table({"written": written, "seq": last + place} for place, (written,) in enumerate(found, 1))
        await link.fetch("number_event_rows", {"asked": numbered})
        await link.fetch("set_event_number", {"last": last + len(found)})
    return [(len(found),)]


async def _note_consumer(link: AsyncServerLink, values: Values) -> Rows:
    now, _, _ = await _time(link, values)
    await link.fetch("add_consumer", values | {"now": now})
    return await link.fetch("acknowledged", values)


async def _remove_events(link: AsyncServerLink, values: Values) -> Rows:
    async with link.transaction():
        found = await link.fetch("lock_old_events", values)
        await link.fetch("remove_old_events", values)
    return found


async def _append_audit(link: AsyncServerLink, values: Values) -> Rows:
    """Append rows, in the transaction that holds the lock of the number."""
    [(last,)] = await link.fetch("last_audit_number")
    if last != values["after"]:
        return []
    return await link.fetch(
        "insert_audit", {"rows": list(zip(values["seqs"], values["entries"], values["hashes"], strict=True))}
    )


async def _note_time(link: AsyncServerLink, values: Values) -> Rows:
    found = await _time(link, values)
    return [found] if await link.fetch("set_time", values | {"now": found[0], "found_era": found[2]}) else []


async def _begin_era(link: AsyncServerLink, values: Values) -> Rows:
    now, wall, _ = await _time(link, values)
    await link.fetch("set_era", {"wall": wall})
    return [(now, wall)]


async def _time(link: AsyncServerLink, values: Values) -> Row:
    """Read the store's time, the server's clock and the era."""
    [found] = await link.fetch("time", values)
    return found


async def _report(link: AsyncServerLink, changed: Sequence[Row], texts: Iterable[str | None], now: int) -> None:
    """Write the events of changed sessions, each given as app, tenant, handle and user."""
    rows = [
        (os.urandom(ID_BYTES), now, *session[:2], report.name, *session[2:], bytes(report.body).decode())
        for session, text in zip(changed, texts, strict=True)
        if text is not None
        for report in _reports(text)
    ]
    if rows:
        await link.fetch("insert_events", {"rows": rows})


def _each(values: Values, names: Sequence[str]) -> list[Values]:
    """Return the parameters of each of several changes, or of the only one."""
    if not isinstance(values["handle"], list):
        return [{name: values[name] for name in names}]
    return [dict(zip(names, each, strict=True)) for each in zip(*(values[name] for name in names), strict=True)]


def _texts(values: Values, count: int) -> list[str | None]:
    """Return the reports of each."""
    reports = values.get("reports")
    return list(reports) if isinstance(reports, list) else [reports] * count


def _key(each: Values) -> Key:
    return each["app_id"], each["tenant_id"], each["handle"]


def _beginning(new: Values, now: int) -> tuple[Any, ...]:
    """Return the columns of a session that begins."""
    absolute = new["absolute_ms"]
    idle = new["idle_ms"] if absolute is None else min(new["idle_ms"], absolute)
    ends_at = None if absolute is None else now + absolute
    columns = [new[name] for name in ("jwt_payload", "session_data", "use_static_key", "ip", "user_agent", "about")]
    return (
        *_key(new), new["user_id"], now, now + idle, ends_at, 0, new["token_hash"], now, 0, 0, 0,
        *columns, new["policy"], now, 1, now + new["due_ms"],
    )  # fmt: skip


TRANSACTIONS: Final[dict[str, Callable[[AsyncServerLink, Values], Awaitable[Rows]]]] = {
    **mariadb_kills.TRANSACTIONS,
    **dict.fromkeys(("insert", "insert_many", "insert_reported", "insert_many_reported"), _insert),
    **dict.fromkeys(("rotate", "rotate_many", "rotate_reported", "rotate_many_reported"), _rotate),
    **dict.fromkeys(("replace", "replace_reported", "replace_killed"), _replace),
    **dict.fromkeys(("end", "end_reported", "end_killed"), _end),
    **dict.fromkeys(("end_user", "end_user_reported", "end_user_killed"), _end_user),
    "append_audit": _append_audit,
    "backlog": _backlog,
    "begin_era": _begin_era,
    "claim": _claim,
    "confirm": _confirm,
    "get_each": _get_each,
    "live_sessions": _live_sessions,
    "lock_user": _lock_user,
    "note_consumer": _note_consumer,
    "note_gone_tenant": _note_gone_tenant,
    "note_time": _note_time,
    "number_events": _number_events,
    "purge": _purge,
    "purge_claims": _purge_claims,
    "put_tenant": _put_tenant,
    "remove_events": _remove_events,
    "remove_sessions": _remove_sessions,
}
"""By the name of the query in whose place they stand."""
