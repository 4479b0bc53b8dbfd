# Generated from src/reseal/_async/forwarding_kills.py by tools/unasync.py; edit that file instead.
"""Passing the kill list on: see :mod:`reseal._sync.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.kill_list import PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._sync.ports import News, Store
    from reseal.core.kill_list import KillCursor, KillPage
    from reseal.core.model import Scope

    T = TypeVar("T")
    P = ParamSpec("P")


class ForwardingKills:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: Store

        def _call(
            self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        return self._call("kill_page", scope, self.inner.kill_page, scope, after, limit)

    def purge_kills(self, limit: int) -> int:
        return self._call("purge_kills", None, self.inner.purge_kills, limit)

    def news(self) -> News:
        return self.inner.news()
