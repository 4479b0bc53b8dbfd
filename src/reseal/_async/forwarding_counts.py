"""Passing questions for figures on: see :mod:`reseal._async.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._async.ports import AsyncStore
    from reseal.core.model import Scope
    from reseal.core.purging import Backlog

    T = TypeVar("T")
    P = ParamSpec("P")


class AsyncForwardingCounts:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: AsyncStore

        async def _call(
            self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    async def backlog(self) -> Backlog:
        return await self._call("backlog", None, self.inner.backlog)

    async def live_sessions(self) -> int:
        return await self._call("live_sessions", None, self.inner.live_sessions)
