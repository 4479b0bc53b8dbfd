# Generated from src/reseal/_async/ports/cases.py by tools/unasync.py; edit that file instead.
"""What a store promises about theft cases. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.cases import CaseFilter, CasePlace, StoredCase
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
