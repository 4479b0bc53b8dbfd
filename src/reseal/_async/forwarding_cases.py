"""Passing the calls about theft cases on: see :mod:`reseal._async.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._async.ports import AsyncSessions, AsyncStore
    from reseal.core.cases import Case, CaseFilter, CasePlace, StoredCase
    from reseal.core.model import Scope

    T = TypeVar("T")
    P = ParamSpec("P")


class AsyncForwardingCases:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: AsyncStore

        async def _call(
            self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    async def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        return await self._call("read_case", scope, self.inner.read_case, scope, handle)

    async def write_case(self, scope: Scope, case: StoredCase) -> bool:
        return await self._call("write_case", scope, self.inner.write_case, scope, case)

    async def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        return await self._call("list_cases", scope, self.inner.list_cases, scope, which, after, limit)

    async def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        return await self._call("remove_cases", scope, self.inner.remove_cases, scope, until, user_id)


class AsyncForwardingCaseCalls:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: AsyncSessions

    async def list_cases(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        return await self.inner.list_cases(which, after, limit)

    async def read_case(self, case_id: str) -> Case | None:
        return await self.inner.read_case(case_id)

    async def close_case(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        return await self.inner.close_case(case_id, note, by, release=release)

    async def erase_cases(self, user_id: str) -> int:
        return await self.inner.erase_cases(user_id)
