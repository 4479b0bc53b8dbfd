# Generated from src/reseal/_async/case_calls.py by tools/unasync.py; edit that file instead.
"""The calls of sessions about theft cases, where the store is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core import cases, ids
from reseal.core.cases import Case, CaseFilter, CasePlace

if TYPE_CHECKING:
    from reseal._sync.case_files import CaseFiles


class CaseCalls:
    """A part of :class:`reseal.Engine`."""

    if TYPE_CHECKING:
        _case_files: CaseFiles

    def list_cases(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        """Read up to ``limit`` cases, newest first. Raises ``InvalidInput``, ``StoreUnavailable``."""
        return self._case_files.page(cases.checked_filter(which), after, limit)

    def read_case(self, case_id: str) -> Case | None:
        """Read a case; ``None`` if there is none. Raises ``InvalidInput``, ``StoreUnavailable``."""
        return self._case_files.read(ids.handle(case_id, "case_id"))

    def close_case(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        """Close a case; ``None`` if there is none. Raises ``InvalidInput``, ``StoreUnavailable``."""
        return self._case_files.close(
            ids.handle(case_id, "case_id"), cases.checked("note", note), cases.checked("by", by), release=release
        )

    def erase_cases(self, user_id: str) -> int:
        """Remove all cases of a user; returns how many. Raises ``InvalidInput``, ``StoreUnavailable``."""
        return self._case_files.erase(ids.user_id(user_id))
