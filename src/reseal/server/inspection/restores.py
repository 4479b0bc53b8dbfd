"""Check for sessions that a restored backup has brought back to life."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from reseal._async.ports import AsyncSessionStore
from reseal.core.selection import Before, Place
from reseal.server.inspection.finding import Finding, warned

SHOWN: Final = 20
"""Sessions at risk that are listed by name; the rest are only counted."""
_PAGE: Final = 500


async def look(store: AsyncSessionStore, app_ids: Iterable[str], restored: int | None) -> list[Finding]:
    """Report sessions at risk. ``restored``: the time of the restored backup (ms), if there was one."""
    findings = await _adopted(store)
    for app_id in app_ids if restored is not None else ():
        findings += await _at_risk(store, app_id, restored or 0)
    return findings


async def _adopted(store: AsyncSessionStore) -> list[Finding]:
    sessions, last_at = await store.adopted()
    if last_at is None:
        return []
    text = (
        f"the store was set back to an older state: {sessions} of its sessions continued from tokens newer than it, "
        f"the last at {_moment(last_at)}. Sessions revoked since the backup are alive again: reseal check --restored "
        "with the time of the backup lists those at risk, reseal sessions not-before ends them"
    )
    return [warned("restore", text)]


async def _at_risk(store: AsyncSessionStore, app_id: str, restored: int) -> list[Finding]:
    """List the live sessions of the backup, which include those that were ended since."""
    which, after, count = Before(app_id=app_id, moment=restored + 1), Place(), 0
    findings: list[Finding] = []
    while found := await store.list_before(which, after, _PAGE):
        count += len(found)
        findings += [
            warned("restore", f"at risk: {record.handle} of {record.user_id}, refreshed {_moment(record.rotated_at)}")
            for _, record in found[: SHOWN - len(findings)]
        ]
        after = Place(found[-1][0].tenant_id, found[-1][1].handle)
    if not count:
        return [Finding("restore", fine=True, text=f"app {app_id}: no live session is as old as the backup")]
    advice = f"reseal sessions not-before now --app {app_id} ends them, and lists them all with --dry-run"
    text = f"app {app_id}: {count} live sessions are of the backup, including those revoked since: {advice}"
    return [warned("restore", text), *findings]


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
