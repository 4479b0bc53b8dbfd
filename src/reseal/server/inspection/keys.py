"""Check the keys of every app: whether they decrypt, which one signs, its age, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from reseal._async.ports import AsyncKeyStore
from reseal.cdi.keys import DYNAMIC, OVERLAP, RS256, STATIC
from reseal.cdi.model import AppSettings
from reseal.core.errors import ConfigurationError
from reseal.core.keys import Wrapping
from reseal.core.model import StoredKey
from reseal.server.inspection.finding import Finding, failed, warned


async def look(store: AsyncKeyStore, wrapping: Wrapping, app: AppSettings, now: int) -> list[Finding]:
    """Check the keys of one app. ``now`` is in ms. Raises ``StoreUnavailable``."""
    stored = await store.keys(app.app_id)
    findings = _closed(wrapping, app.app_id, stored)
    if findings:
        return findings
    older = [key.kid for key in stored if not wrapping.is_current(app.app_id, key)]
    if older:
        text = f"{len(older)} are not under secret_key ({', '.join(older)}): run reseal keys rewrap"
        findings.append(warned("keys", f"app {app.app_id}: {text}"))
    current = signing(stored, app, now)
    if not current:
        text = f"app {app.app_id}: none yet; they are made at the first start"
        return [*findings, Finding("keys", fine=True, text=text)]
    shown = [f"{len(stored)} open", *(_age_and_end(stored, key, app, now) for key in current if _is_dynamic(key))]
    return [*findings, Finding("keys", fine=True, text=f"app {app.app_id}: {'; '.join(shown)}")]


def signing(stored: Iterable[StoredKey], app: AppSettings, now: int) -> list[StoredKey]:
    """Return the keys that sign at ``now``: a dynamic and a static one for each algorithm in use."""
    newest_first = sorted(stored, key=lambda key: (key.created_at, key.kid), reverse=True)
    begun = [key for key in newest_first if key.signs_from <= now]
    chosen = (
        next((key for key in begun if key.algorithm == algorithm and key.kid.startswith(kind)), None)
        for algorithm in dict.fromkeys((RS256, app.signing_algorithm))
        for kind in (DYNAMIC, STATIC)
    )
    return [key for key in chosen if key is not None]


def _closed(wrapping: Wrapping, app_id: str, stored: Sequence[StoredKey]) -> list[Finding]:
    """Report every key that does not decrypt with this ``secret_key``."""
    findings = []
    for key in stored:
        try:
            wrapping.open(app_id, key)
        except ConfigurationError as error:
            findings += failed("keys", error)
    return findings


def _age_and_end(stored: Iterable[StoredKey], key: StoredKey, app: AppSettings, now: int) -> str:
    """Describe the age of a dynamic signing key, and when the next one replaces it."""
    shown = f"{key.kid} ({key.algorithm}) signs, {_age(now - key.created_at)} old"
    after = [other for other in stored if other.algorithm == key.algorithm and other.signs_from > now]
    for newer in filter(_is_dynamic, after):
        return f"{shown}, until {newer.kid} does at {_moment(newer.signs_from)}"
    due = key.created_at + app.key_interval_ms - OVERLAP
    return f"{shown}, the next is published {'once the service runs' if due <= now else f'at {_moment(due)}'}"


def _is_dynamic(key: StoredKey) -> bool:
    return key.kid.startswith(DYNAMIC)


def _age(milliseconds: int) -> str:
    age = timedelta(milliseconds=max(0, milliseconds))
    if age >= timedelta(days=2):
        return f"{age.days} days"
    hours, minutes = divmod(age // timedelta(minutes=1), 60)
    return f"{hours} h" if hours else f"{minutes} min"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="minutes")
