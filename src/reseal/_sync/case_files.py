# Generated from src/reseal/_async/case_files.py by tools/unasync.py; edit that file instead.
"""The theft cases of one app and tenant: written, read, closed and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reseal.core import cases, holding
from reseal.core.cases import FAR, Case, CaseFilter, CasePlace, Sighting
from reseal.core.errors import StoreUnavailable
from reseal.core.rotation import why_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseal._sync.ports import Store
    from reseal.core.model import Policy, Scope

ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""

TURNS: Final = 360
"""Steps of the purger, of which there is one every ten seconds at most, between two looks for old cases."""


class CaseFiles:
    """The cases of one scope. ``kept``: for how many ms after its opening a case is kept; 0: none is written."""

    def __init__(self, scope: Scope, store: Store, kept: int = 0) -> None:
        self._scope = scope
        self._store = store
        self.kept = kept
        self._turn = 0

    def extend(self, seen: Sighting, policy: Policy, *, only_known: bool = False) -> None:
        """Open a case for a sighting, or add it to the case of its session. Raises ``StoreUnavailable``.

        ``only_known``: do nothing if there is no case.
        """
        before, case = self._change(
            seen.record.handle,
            lambda case: None if only_known and case is None else cases.extended(case, seen, policy),
        )
        if before is None and case is not None:
            self.forget(seen.now)

    def page(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        """Read a page of cases, newest first."""
        return tuple(map(cases.read, self._store.list_cases(self._scope, which, after, limit)))

    def read(self, case_id: str) -> Case | None:
        """Read a case; ``None`` if there is none."""
        stored = self._store.read_case(self._scope, case_id)
        return None if stored is None else cases.read(stored)

    def close(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        """Close a case; ``None`` if there is none. One that is closed already stays as it is.

        ``release``: its session may be refreshed again, by whoever holds its current token.
        """
        now = (self._store.times()).now
        if release and self._release(case_id):
            self.note_released(case_id, now, by)
        _, case = self._change(case_id, lambda case: case and cases.closed(case, now, by, note))
        return case

    def note_released(self, handle: str, now: int, by: str) -> None:
        """Note that a session is held no longer, if it has a case."""
        self._change(handle, lambda case: case and cases.released(case, now, by))

    def _release(self, handle: str) -> bool:
        for _ in range(ATTEMPTS):
            record, now = self._store.get(self._scope, handle)
            hold = holding.read(None if record is None else record.policy)
            if record is None or hold.response is None or why_ended(record, now) is not None:
                return False
            if self._store.replace(self._scope, replace(record, policy=hold._replace(response=None).kept())):
                return True
        raise StoreUnavailable

    def erase(self, user_id: str) -> int:
        """Remove the cases of a user; returns how many."""
        return self._store.remove_cases(self._scope, FAR, user_id)

    def forget(self, now: int) -> None:
        """Remove the cases that are not kept any longer."""
        self._store.remove_cases(self._scope, now - self.kept)

    def forget_at_times(self) -> None:
        """Do so once in :data:`TURNS` calls, from the first on."""
        self._turn += 1
        if self._turn % TURNS == 1:
            self.forget((self._store.times()).now)

    def _change(
        self, case_id: str, change: Callable[[Case | None], Case | None]
    ) -> tuple[Case | None, Case | None]:
        """Write a changed case, whoever else does; returns it as it was and as it is."""
        for _ in range(ATTEMPTS):
            stored = self._store.read_case(self._scope, case_id)
            before = None if stored is None else cases.read(stored)
            after = change(before)
            if after is before or after is None:
                return before, before
            if self._store.write_case(self._scope, cases.written(after, stored.version if stored else 0)):
                return before, after
        raise StoreUnavailable
