"""Passing limited sign-ins on: see :mod:`reseal._async.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.forwarding_kills import AsyncForwardingKills

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._async.ports import AsyncStore
    from reseal.core.model import NewSession, Scope
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Admission, SessionLimit

    T = TypeVar("T")
    P = ParamSpec("P")


class AsyncForwardingLimits(AsyncForwardingKills):
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: AsyncStore

        async def _call(
            self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    async def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        call = self.inner.insert_limited
        return await self._call("insert_limited", scope, call, scope, new, limit, reports, ended_reports)
