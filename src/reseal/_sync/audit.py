# Generated from src/reseal/_async/audit.py by tools/unasync.py; edit that file instead.
"""The audit trail: events of the outbox, put into a chain of hashes that a key signs.

Each step can be abandoned at any point, and any number of processes may take it at the same time: the store appends
rows only behind the last one, and each row has the number of the last event that is in the chain.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, Final, Self

from reseal._sync.ports import Store
from reseal._sync.purger import ROWS, purge_events
from reseal.core import audit_checkpoints, audit_persons
from reseal.core.acting import ACTING, USER
from reseal.core.audit import BEGINNING, AuditRow, chained
from reseal.core.audit_verification import AuditVerification, AuditVerifier
from reseal.core.events import Event
from reseal.core.keys import SigningKey, Wrapping, generate, jwk, load
from reseal.core.model import StoredKey
from reseal.core.outbox import EventPage
from reseal.core.secret import revealed
from reseal.settings.fields import SharedFields
from reseal.settings.rules import DAY

CONSUMER: Final = "reseal:audit"
"""Its name as a consumer of the outbox."""
AT_ONCE: Final = 500
"""Events that are put into the chain together."""
UNSIGNED_ROWS: Final = 1_000
"""A checkpoint follows after so many rows."""
UNSIGNED_MS: Final = 600_000
"""A checkpoint follows when the oldest row without one is of an event so many milliseconds ago."""
TRIM_EVERY: Final = 3_600_000
"""Milliseconds between two looks for rows that are not kept any longer."""
_PLAIN: Final = Wrapping(None)
"""The keys of persons rest beside the user ids of their sessions: whoever reads these needs no key."""


class AuditTrail:
    """The audit trail of one store. ``wrapping`` closes the key that signs; ``retention_ms`` 0 keeps all rows."""

    def __init__(
        self,
        store: Store,
        wrapping: Wrapping,
        *,
        retention_ms: int = 0,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._rows = store.audit
        self._wrapping = wrapping
        self._retention_ms = retention_ms
        self._random = random
        self._trim_at = 0

    @classmethod
    def of(cls, store: Store, settings: SharedFields) -> Self:
        """Return the trail of a store as configured."""
        wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))
        return cls(store, wrapping, retention_ms=round(settings.audit_retention * DAY))

    def seal(self) -> int:
        """Put all events of the outbox into the trail; returns how many there were.

        Signs rows that have waited long enough, and removes events that every consumer has read, and rows that are
        kept no longer. Raises ``StoreUnavailable``; nothing is lost by it.
        """
        total, more = 0, True
        while more:
            sealed, more = self._seal_page()
            total += sealed
        now = (self._store.times()).now
        if self._is_due(now):
            self._sign(1)
        purge_events(self._store)
        if now >= self._trim_at:
            self._trim(now)
            self._trim_at = now + TRIM_EVERY
        return total

    def verify(self, kept: AuditRow | None = None) -> AuditVerification:
        """Read the whole trail and check it. ``kept``: a checkpoint that was exported before."""
        verifier, after = AuditVerifier(self._public_keys(), kept), 0
        while page := self._rows.read(after, UNSIGNED_ROWS):
            for row in page:
                verifier.take(row)
            after = page[-1].seq
        return verifier.result()

    def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        """Read up to ``limit`` rows with a number above ``after``, in their order."""
        return self._rows.read(after, limit)

    def checkpoint(self) -> str:
        """Sign all rows there are; returns the checkpoint as JSON, for a place outside the store."""
        head = self._rows.last()
        return audit_checkpoints.exported(head if head and _is_checkpoint(_members(head)) else self._sign(1))

    def erase(self, user_id: str, *, app_id: str = "public", by: str = "system") -> bool:
        """Destroy the key of a user: nobody can tell any more whose entries theirs were. ``False`` if there is none."""
        self.seal()
        place = audit_persons.keys_app(app_id, user_id)
        if not self._store.keys(place):
            return False
        self._store.remove_keys(place, (audit_persons.KID,))
        self._append({"kind": "erased", "app": app_id, "by": by})
        return True

    def record(
        self, name: str, app_id: str | None = None, tenant_id: str | None = None, *, key: str | None = None
    ) -> None:
        """Append what was done besides sessions, by whoever acts in the current task. ``key`` is the id of a key."""
        by = ACTING.get() or "system"
        actor = self._actor(app_id or "", by, {})
        action = {"kind": "action", "name": name, "app": app_id, "tenant": tenant_id, "key": key}
        self._append({**action, "by": by if actor is None else f"{USER}{actor}"})

    def public_key(self) -> str | None:
        """Return the public key of the checkpoints, base64url; ``None`` if nothing was signed yet."""
        return next(reversed(self._public_keys()), None)

    def replace_key(self, by: str = "system") -> str:
        """Sign with a new key from now on, and destroy the present one; returns the new public key.

        A checkpoint by the new key names the old one, so that earlier checkpoints are still right.
        """
        kids = [key.kid for key in self._signing_keys()]
        self._append({"kind": "action", "name": "checkpoint_key_replaced", "by": by})
        self._new_key(f"{audit_checkpoints.KID}-{audit_checkpoints.number_of(kids[-1]) + 1}")
        return str(_members(self._sign(1))["key"])

    def person_key(self, user_id: str, app_id: str = "public") -> bytes | None:
        """Return the key of a user, which opens the private members of their entries; ``None`` if there is none."""
        place = audit_persons.keys_app(app_id, user_id)
        for stored in self._store.keys(place):
            return _PLAIN.open(place, stored)
        return None

    def _seal_page(self) -> tuple[int, bool]:
        """Put the next events into the chain; returns how many, and whether there may be more."""
        page = self._store.read_events(CONSUMER, AT_ONCE)
        head = self._rows.last()
        entries = self._entries(page, _members(head).get("number"))
        if entries and not self._rows.append(chained(head, _noting(head, entries))):
            return 0, True  # another process was first
        if page.events or page.lost:
            self._store.acknowledge_events(CONSUMER, page.cursor)
        return sum(entry["kind"] == "event" for entry in entries), bool(page.events)

    def _entries(self, page: EventPage, known: int | None) -> list[dict[str, Any]]:
        """Make the entries of the events behind the number ``known``, and of those that are missing before them."""
        before = page.cursor_after(0)
        acknowledged = before - page.lost
        reached = acknowledged if known is None else known
        entries: list[dict[str, Any]] = []
        now = (self._store.times()).now if max(before, acknowledged) > reached else 0
        if acknowledged > reached:
            entries.append({"kind": "missing", "at": now, "number": acknowledged})
        if before > max(acknowledged, reached):
            lost = before - max(acknowledged, reached)
            entries.append({"kind": "lost", "at": now, "count": lost, "number": before})
        persons: dict[tuple[str, str], bytes] = {}
        for number, event in enumerate(page.events, before + 1):
            if number > reached:
                entries.append(self._entry(event, number, persons))
        return entries

    def _entry(self, event: Event, number: int, persons: dict[tuple[str, str], bytes]) -> dict[str, Any]:
        app_id = event.scope.app_id
        key = self._person(app_id, event.user_id or "", persons)
        actor = self._actor(app_id, event.by or "", persons)
        return audit_persons.entry_of(event, number, key, actor, self._random(audit_persons.NONCE_BYTES))

    def _actor(self, app_id: str, by: str, persons: dict[tuple[str, str], bytes]) -> str | None:
        """Return the pseudonym of whoever acted; ``None`` for those who are not users."""
        if not by.startswith(USER):
            return None
        return audit_persons.pseudonym(self._person(app_id, by.removeprefix(USER), persons))

    def _person(self, app_id: str, user_id: str, persons: dict[tuple[str, str], bytes]) -> bytes:
        """Return the key of a user, which begins here; ``persons`` are those of this page."""
        place = audit_persons.keys_app(app_id, user_id)
        while (app_id, user_id) not in persons:
            key = self.person_key(user_id, app_id)
            if key is None:
                raw = self._random(audit_persons.KEY_BYTES)
                closed = _PLAIN.close(place, audit_persons.KID, raw, b"")
                key = raw if self._add_key(place, audit_persons.KID, "HS256", closed) else None
            if key is not None:
                persons[app_id, user_id] = key
        return persons[app_id, user_id]

    def _is_due(self, now: int) -> bool:
        """Return whether rows have waited long enough for a checkpoint."""
        head = self._rows.last()
        if head is None or _is_checkpoint(_members(head)):
            return False
        last = _last_checkpoint(head)
        oldest = self._rows.read(last, 1)
        return head.seq - last >= UNSIGNED_ROWS or any(_members(row)["at"] <= now - UNSIGNED_MS for row in oldest)

    def _sign(self, first: int) -> AuditRow:
        """Append a checkpoint. ``first``: the oldest row that is kept from now on, if it is not later already."""
        while True:
            head = self._rows.last()  # before the keys: so none signs behind the checkpoint that replaces it
            *old, key = self._signing_keys()
            replaced = [jwk(each)["x"] for each in old] or None
            at = (self._store.times()).now
            [entry] = _noting(head, [{"at": at, "first": self._first(head, first), "previous": replaced}])
            seq, previous = (head.seq + 1, head.hash) if head else (1, BEGINNING)
            rows = chained(head, [audit_checkpoints.signed(entry, seq, previous, key)])
            if self._rows.append(rows):
                self._store.remove_keys(audit_checkpoints.KEYS_APP, [each.kid for each in old])
                return rows[0]

    def _first(self, head: AuditRow | None, first: int = 1) -> int:
        """Return the number of the oldest row that is kept, as the last checkpoint states it, or ``first``."""
        for row in self._rows.read(_last_checkpoint(head) - 1, 1) if _last_checkpoint(head) else ():
            return max(first, int(_members(row).get("first", 1)))
        return first

    def _trim(self, now: int) -> None:
        """Remove what is kept no longer: up to a checkpoint, which a later one names before anything is removed."""
        first = self._first(self._rows.last())
        if self._retention_ms:
            over = [row for row in self._rows.read(first, 2 * UNSIGNED_ROWS) if self._is_over(row, now)]
            if over:
                first = int(_members(self._sign(over[-1].seq))["first"])
        while self._rows.remove_before(first, ROWS) == ROWS:
            pass

    def _is_over(self, row: AuditRow, now: int) -> bool:
        """Return whether everything before a row is kept no longer, and the row can be the first one."""
        members = _members(row)
        return _is_checkpoint(members) and members["at"] <= now - self._retention_ms

    def _append(self, entry: dict[str, Any]) -> None:
        """Append an entry that is no event."""
        done = False
        while not done:
            head, now = self._rows.last(), (self._store.times()).now
            done = self._rows.append(chained(head, _noting(head, [{**entry, "at": now}])))

    def _signing_keys(self) -> list[SigningKey]:
        """Return the key of the checkpoints behind those that it replaces. It is made here if there is none."""
        while not (keys := self._stored_keys()):
            self._new_key(audit_checkpoints.KID)
        return keys

    def _stored_keys(self) -> list[SigningKey]:
        place = audit_checkpoints.KEYS_APP
        stored = sorted(self._store.keys(place), key=lambda key: audit_checkpoints.number_of(key.kid))
        return [load(each, self._wrapping.open(place, each)) for each in stored]

    def _public_keys(self) -> list[str]:
        return [jwk(key)["x"] for key in self._stored_keys()]

    def _new_key(self, kid: str) -> None:
        place, algorithm = audit_checkpoints.KEYS_APP, audit_checkpoints.ALGORITHM
        closed = self._wrapping.close(place, kid, generate(algorithm), self._random(audit_persons.NONCE_BYTES))
        self._add_key(place, kid, algorithm, closed)

    def _add_key(self, place: str, kid: str, algorithm: str, closed: bytes) -> bool:
        """Add a key. These keys have no age: nothing replaces them in time."""
        return self._store.add_key(place, StoredKey(kid, algorithm, closed, 0, 0))


def _members(row: AuditRow | None) -> dict[str, Any]:
    return {} if row is None else dict(json.loads(row.entry))


def _is_checkpoint(members: dict[str, Any]) -> bool:
    return members.get("kind") == audit_checkpoints.KIND


def _last_checkpoint(head: AuditRow | None) -> int:
    """Return the number of the last checkpoint; 0 if there is none."""
    members = _members(head)
    return int(members["seq"] if _is_checkpoint(members) else members.get("signed", 0))


def _noting(head: AuditRow | None, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what each row tells of the chain before it: the last checkpoint, and the last event that is in it."""
    number, noted = _members(head).get("number"), []
    for entry in entries:
        number = entry.get("number", number)
        noted.append({**entry, "number": number, "signed": _last_checkpoint(head)})
    return noted
