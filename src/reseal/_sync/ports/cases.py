# Generated from src/reseal/_async/ports/cases.py by tools/unasync.py; edit that file instead.
"""What a store promises about theft cases. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.cases import Case, CaseFilter, CasePlace, StoredCase
from reseal.core.model import Scope


class CaseStore(Protocol):
    """Where the files on thefts are kept: up to one for each session, by its handle."""

    def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        """Read a case; ``None`` if there is none."""

    def write_case(self, scope: Scope, case: StoredCase) -> bool:
        """Write a case over the ``version`` that was read, or 0 if there was none; then count it up.

        ``False`` if somebody else has written since, or the case is gone: nothing was changed. User and time of opening
        stay as they were written first.
        """

    def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        """Read up to ``limit`` cases, the one that was opened last first, those behind ``after``."""

    def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        """Remove cases opened at ``until`` (ms) or earlier, of one user or of all; returns how many.

        A tenant's cases go with the tenant.
        """


class CaseAccess(Protocol):
    """What sessions promise about theft cases. A case is named by the handle of its session.

    An id or user id that is not text is ``InvalidInput``, and so is a note or name that is too long.
    """

    def list_cases(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        """Read up to ``limit`` cases, the one that was opened last first, those behind ``after``."""

    def read_case(self, case_id: str) -> Case | None:
        """Read a case; ``None`` if there is none."""

    def close_case(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        """Close a case; ``None`` if there is none. One that is closed already stays as it is.

        ``release``: if its session is held, it may be refreshed again.
        """

    def erase_cases(self, user_id: str) -> int:
        """Remove all cases of a user; returns how many."""
