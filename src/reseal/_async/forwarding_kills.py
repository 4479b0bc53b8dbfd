"""Passing the kill list on: see :mod:`reseal._async.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.kill_list import PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._async.ports import AsyncNews, AsyncStore
    from reseal.core.kill_list import KillCursor, KillPage
    from reseal.core.model import Scope

    T = TypeVar("T")
    P = ParamSpec("P")


class AsyncForwardingKills:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: AsyncStore

        async def _call(
            self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        return await self._call("kill_page", scope, self.inner.kill_page, scope, after, limit)

    async def purge_kills(self, limit: int) -> int:
        return await self._call("purge_kills", None, self.inner.purge_kills, limit)

    def news(self) -> AsyncNews:
        return self.inner.news()
