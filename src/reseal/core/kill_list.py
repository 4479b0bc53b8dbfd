"""The kill list: sessions that ended while access tokens of theirs may still be valid, for verifiers without a store.

A store writes an entry with the end of a session. Entries get numbers in the order of their commits, each larger than
any before and not smaller than the store's time in milliseconds. So a number is never given twice, not even after a
backup was restored; they may have gaps. A page is complete from one number to another, and whoever reads on from the
last one misses nothing. An entry can be forgotten once every token that it is about has expired.

Times and durations are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from reseal.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from reseal.core.access_token import Claims

LEEWAY: Final = 60_000
"""How much longer than an access token an entry is kept: clocks of servers and verifiers differ."""
ENTRIES: Final = 200_000
"""Upper limit of the entries in the memory of a verifier: about 30 MB."""
PAGE: Final = 5_000
"""Upper limit of the entries that are read at once."""
EPOCH_BYTES: Final = 8
_DIGITS: Final = 18
"""Of a number, at most: every database takes it."""
_SECOND: Final = 1_000
_SWEEP_EVERY: Final = 10_000


def first_number(last: int, now: int) -> int:
    """Return the number of the next entry. ``last``: the number of the one before; ``now``: the store's time."""
    return max(last + 1, now)


class Subject(StrEnum):
    """What an entry is about."""

    SESSION = "session"
    USER = "user"
    TENANT = "tenant"


class Kill(NamedTuple):
    """Written with the end of a session: the order to put it on the list. Stands among the reports of a change."""

    kept_ms: int
    """How long the entry is needed: an access token's lifetime and the leeway."""


class KillEntry(NamedTuple):
    """One entry: the tokens of a session, or those of a user or tenant that were issued before a moment."""

    seq: int
    subject: Subject
    name: str
    """The session handle or the user id; empty if the entry is about the tenant."""
    tenant_id: str
    not_before: int | None
    """``None`` if the entry is about all tokens."""
    until: int
    """When the last of these tokens has expired, with the leeway."""


class KillCursor(NamedTuple):
    """How far a reader has come."""

    epoch: str
    """Which store this is: another one has other numbers."""
    seq: int

    def text(self) -> str:
        """Write it as text without spaces."""
        return f"{self.epoch}.{self.seq}"

    @classmethod
    def read(cls, text: str) -> KillCursor | None:
        """Read what :meth:`text` has written; ``None`` if it is something else."""
        epoch, _, seq = text.rpartition(".")
        return cls(epoch, int(seq)) if epoch and seq.isascii() and seq.isdigit() and len(seq) <= _DIGITS else None


class KillPage(NamedTuple):
    """Entries in the order of their numbers: all those after ``after`` up to ``seq`` that are still needed."""

    epoch: str
    after: int
    """0: a snapshot begins here, which needs nothing from before."""
    seq: int
    entries: tuple[KillEntry, ...]
    more: bool
    """Whether there are further entries at once."""
    now: int
    """The store's time."""

    @property
    def is_snapshot(self) -> bool:
        """Whether this page needs none before it."""
        return self.after == 0

    @property
    def cursor(self) -> KillCursor:
        """Where the next page begins."""
        return KillCursor(self.epoch, self.seq)


def position(after: KillCursor | None, epoch: str) -> int:
    """Return behind which number a store of this epoch reads for a cursor."""
    return after.seq if after is not None and after.epoch == epoch else 0


class KillState(StrEnum):
    """How far a kill list can be trusted."""

    FRESH = "fresh"
    STALE = "stale"
    """The last page is older than the maximum age."""
    FULL = "full"
    """There are more entries than the limit allows: sessions have ended that are not on it."""
    NEVER_LOADED = "never_loaded"


class StaleKillList(StoreUnavailable):
    """The kill list is not up to date, and kill_list_when_stale does not let a token pass by its signature alone."""

    def __init__(self, to_ask_about: Claims | None = None) -> None:
        super().__init__()
        self._to_ask_about = to_ask_about

    def claims_to_ask_about(self) -> Claims:
        """Return the claims of the token if the store is to be asked about its session; otherwise raise this error.

        Everything else about the request is checked as ever.
        """
        if self._to_ask_about is None:
            raise self
        return self._to_ask_about


class KillList:
    """The memory of one verifier. Safe to read in one thread while another one applies pages.

    ``limit``: the most entries. Those above it are not kept, and until the last of these is over the list is full.

    Entries of another epoch stay until they are over: a session that ended does not come back with another store.
    """

    def __init__(self, limit: int = ENTRIES) -> None:
        self._limit = limit
        self._cursor: KillCursor | None = None
        self._loaded_at: int | None = None
        self._sessions: dict[str, int] = {}
        self._moments: dict[tuple[Subject, str], tuple[int, int]] = {}
        """Of users and tenants: before when tokens were issued, and until when this is needed."""
        self._swept_at = 0
        self._left_out_until = 0
        """0: nothing is left out."""

    @property
    def cursor(self) -> KillCursor | None:
        """Where to read on; ``None``: a snapshot is needed."""
        return self._cursor

    def __len__(self) -> int:
        return len(self._sessions) + len(self._moments)

    def apply(self, page: KillPage, read_at: int) -> bool:
        """Take in a page. Once more, or out of order, it changes nothing that matters.

        ``read_at``: when it was asked for, on a clock that only goes forward. Returns ``False`` if something is missing
        before the page: then nothing was changed, and it has to be read from :attr:`cursor`.
        """
        if self._cursor is None or page.epoch != self._cursor.epoch:
            if not page.is_snapshot:
                return self._begin_again(page)
            self._cursor = KillCursor(page.epoch, 0)
        if page.after > self._cursor.seq:
            return False
        if page.now >= self._left_out_until:
            self._left_out_until = 0
        self._sweep(page.now)
        self._add(each for each in page.entries if each.until > page.now)
        if page.seq >= self._cursor.seq:
            self._cursor = page.cursor
            if not page.more:
                self._loaded_at = max(read_at, self._loaded_at or read_at)
        return True

    def kills(self, handle: str, user_id: str, tenant_id: str, issued_at: int) -> bool:
        """Return whether a token is of an ended session. ``issued_at``: its ``iat``, a whole second in ms.

        A token of the second in which all of a user or tenant were ended counts as issued after it. An entry counts as
        long as it is here: it is over by the store's time, which this process's clock may be far ahead of.
        """
        if handle in self._sessions:
            return True
        if not self._moments:
            return False
        about = self._moments.get((Subject.USER, user_id)), self._moments.get((Subject.TENANT, tenant_id))
        return any(each is not None and issued_at + _SECOND <= each[0] for each in about)

    def age(self, at: int) -> int | None:
        """Return how old the last complete page is, on the clock of ``read_at``; ``None``: there is none."""
        return None if self._loaded_at is None else max(0, at - self._loaded_at)

    def state(self, at: int, max_age: int) -> KillState:
        """Return whether the list can be trusted; ``at`` is as in :meth:`age`."""
        age = self.age(at)
        if age is None:
            return KillState.NEVER_LOADED
        if self._left_out_until:
            return KillState.FULL
        return KillState.STALE if age > max_age else KillState.FRESH

    def _begin_again(self, page: KillPage) -> bool:
        """Ask for a snapshot: the numbers of this page are another store's."""
        if self._cursor is not None and page.epoch != self._cursor.epoch:
            self._cursor = None
        return False

    def _add(self, entries: Iterable[KillEntry]) -> None:
        for each in entries:
            if each.subject is Subject.SESSION:
                self._add_session(each)
            else:
                self._add_moment(each)

    def _add_session(self, entry: KillEntry) -> None:
        if len(self) >= self._limit and entry.name not in self._sessions:
            self._left_out_until = max(self._left_out_until, entry.until)
            return
        self._sessions[entry.name] = max(entry.until, self._sessions.get(entry.name, 0))

    def _add_moment(self, entry: KillEntry) -> None:
        key = (entry.subject, entry.name if entry.subject is Subject.USER else entry.tenant_id)
        moment, until = self._moments.get(key, (0, 0))
        if len(self) >= self._limit and not until:
            self._left_out_until = max(self._left_out_until, entry.until)
            return
        before = entry.until if entry.not_before is None else entry.not_before
        self._moments[key] = max(moment, before), max(until, entry.until)

    def _sweep(self, now: int) -> None:
        """Forget the entries that are over: from time to time, or before the list becomes full."""
        if 0 <= now - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = now
        self._sessions = {name: until for name, until in self._sessions.items() if until > now}
        self._moments = {key: each for key, each in self._moments.items() if each[1] > now}
