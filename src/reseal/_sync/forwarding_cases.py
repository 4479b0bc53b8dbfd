# Generated from src/reseal/_async/forwarding_cases.py by tools/unasync.py; edit that file instead.
"""Passing the calls about theft cases on: see :mod:`reseal._sync.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._sync.ports import Sessions, Store
    from reseal.core.cases import Case, CaseFilter, CasePlace, StoredCase
    from reseal.core.model import Scope

    T = TypeVar("T")
    P = ParamSpec("P")


class ForwardingCases:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: Store

        def _call(
            self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        return self._call("read_case", scope, self.inner.read_case, scope, handle)

    def write_case(self, scope: Scope, case: StoredCase) -> bool:
        return self._call("write_case", scope, self.inner.write_case, scope, case)

    def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        return self._call("list_cases", scope, self.inner.list_cases, scope, which, after, limit)

    def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        return self._call("remove_cases", scope, self.inner.remove_cases, scope, until, user_id)


class ForwardingCaseCalls:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: Sessions

    def list_cases(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        return self.inner.list_cases(which, after, limit)

    def read_case(self, case_id: str) -> Case | None:
        return self.inner.read_case(case_id)

    def close_case(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        return self.inner.close_case(case_id, note, by, release=release)

    def erase_cases(self, user_id: str) -> int:
        return self.inner.erase_cases(user_id)
