# Generated from src/reseal/_async/ports/stores.py by tools/unasync.py; edit that file instead.
"""What a store promises: that of sessions here, those of keys and tenants in their own modules.

A store remembers and decides nothing. No transaction, lock or callback crosses the port; where two writers
could meet, the write is conditional and says whether it happened. Every method raises ``StoreUnavailable`` if the
store did not answer or did not make the write durable.

Then nothing, or everything, was done *of each session*, key or tenant, and a call about several may have been done
for some of them. A caller that repeats the call gets the rest done, and the names of those that the repetition ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._sync.ports.audit import AuditStore
from reseal._sync.ports.cases import CaseStore
from reseal._sync.ports.counts import CountStore
from reseal._sync.ports.events import EventStore
from reseal._sync.ports.keys import KeyStore
from reseal._sync.ports.limits import LimitStore
from reseal._sync.ports.notes import NoteStore
from reseal._sync.ports.providers import ProviderStore
from reseal._sync.ports.tenants import TenantStore
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.core.purging import Purged
from reseal.core.selection import Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired


class SessionStore(CountStore, EventStore, LimitStore, ProviderStore, Protocol):
    """Where sessions live. Times are the store's own, in ms, and never go back.

    ``reports`` are events to be written for each session that a call changes: both are done, or neither. What changes
    nothing writes no event.
    """

    def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        """Begin a session of generation 0. ``None`` if the handle is taken: nothing was changed."""

    def get(self, scope: Scope, handle: str) -> Found:
        """Read a session, ended and expired ones too. An absent one is ``Found(None, now)``."""

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        """Read several sessions at once. Every handle is in the answer, an absent session as ``Found(None, now)``."""

    def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        """Advance the token family by one generation if the session is live and ``presented_hash`` is still current.

        The idle end moves to now + ``idle_ms``, not past the absolute end; the successor is unconfirmed. A session with
        a policy of its own is left to ``replace``, by somebody who knows the policy. Of any
        number of callers with the same token exactly one gets the new row; the others get ``None``.
        """

    def confirm(self, scope: Scope, seen: Seen) -> Found:
        """Mark a generation as confirmed if it is the current one of a live session, and read the session.

        The first one to do so dates it, and counts the version up; where nothing is to be marked nothing is written.
        """

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        """Write a changed row if its ``version`` is still the one that was read, and count the version up.

        ``False`` if somebody else has written since, or the row is gone: nothing was changed.
        """

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        """End these sessions and name those that this call ended; absent and ended ones are left out.

        ``note``: the caller's own reason, kept with the row.
        """

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        """End all sessions of a user but ``keep``, and name those that this call ended.

        However many these are, writes for other users do not wait for all of them. If it fails, some may have ended.
        """

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        """Read up to ``limit`` live sessions of a user, oldest first, those behind ``after``.

        Those of one age are in the order of their handles. User ids match byte for byte.
        """

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        """Read up to ``limit`` sessions of a user that were ended or expired within the last ms, the latest first.

        Only those that :meth:`purge` has not removed.
        """

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        """Read up to ``limit`` of these sessions, in the order of tenant and handle, those behind ``after``."""

    def adopted(self) -> Adopted:
        """Count the sessions that went on from a token newer than the store: :meth:`replace` moved their generation."""

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        """Claim a name until ``until`` (ms). Of any number of callers the first gets it; the others get ``False``.

        When its time is over the claim is forgotten, and the name free again. If ``until`` has passed already, the
        answer is ``False``. ``name`` is printable ASCII.
        """

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        """Look at up to ``limit`` sessions that are due, in that order, and remove those long past their end.

        ``kept_ms``: how long they stay after it, also after an early end; ``None``: until a day after their expiry.
        A session is due a day after its end, and once a week at least. Whoever calls again at once while ``looked_at``
        is ``limit`` has nothing left to do, whatever came meanwhile. Each call is short, whatever the number of rows.
        Up to ``limit`` forgotten claims go as well; they count as looked at.
        """


class Store(SessionStore, KeyStore, TenantStore, NoteStore, CaseStore, Protocol):
    """A whole store: sessions, keys, tenants, notes, theft cases, the audit trail, and the life of what keeps them."""

    @property
    def audit(self) -> AuditStore:
        """The audit trail, usable while the store is open."""

    def open(self) -> None:
        """Get ready: connect, check durability, bring the schema up to date.

        Raises ``ConfigurationError`` if the store cannot be used as configured.
        """

    def close(self) -> None:
        """Release all resources. Writes that were acknowledged stay."""

    def repair_clock(self) -> Repaired:
        """Set the store's time to the clock that it follows, also back, for all processes; nothing stays in the future.

        For those who look after a store whose clock was wrong and is right again. Sessions that a fast clock seemed to
        end are live again, if they were not ended by anything else.
        """
