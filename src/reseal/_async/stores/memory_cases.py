"""Theft cases in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reseal.core.cases import CaseFilter, CasePlace, StoredCase
    from reseal.core.model import Scope
    from reseal.forks import OwnLock


class AsyncMemoryCases:
    """A part of the store in memory."""

    if TYPE_CHECKING:
        _lock: OwnLock

    def __init__(self) -> None:
        super().__init__()
        self._cases: dict[Scope, dict[str, StoredCase]] = {}

    async def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        with self._lock:
            return self._cases.get(scope, {}).get(handle)

    async def write_case(self, scope: Scope, case: StoredCase) -> bool:
        with self._lock:
            cases = self._cases.setdefault(scope, {})
            before = cases.get(case.handle)
            if case.version != (0 if before is None else before.version):
                return False
            first = before or case
            cases[case.handle] = case._replace(
                version=case.version + 1, user_id=first.user_id, opened_at=first.opened_at
            )
            return True

    async def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        with self._lock:
            meant = [
                case
                for case in self._cases.get(scope, {}).values()
                if which.user_id in {None, case.user_id} and not (which.open_only and case.is_closed)
            ]
            newest_first = sorted(meant, key=lambda case: (case.opened_at, case.handle), reverse=True)
            return tuple([case for case in newest_first if (case.opened_at, case.handle) < after][:limit])

    async def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        with self._lock:
            cases = self._cases.get(scope, {})
            gone = [c.handle for c in cases.values() if c.opened_at <= until and user_id in {None, c.user_id}]
            for handle in gone:
                del cases[handle]
            return len(gone)

    def _redate_cases(self, now: int) -> None:
        for cases in self._cases.values():
            for handle, case in cases.items():
                cases[handle] = case._replace(opened_at=min(case.opened_at, now))
