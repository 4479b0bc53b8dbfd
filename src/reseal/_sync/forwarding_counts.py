# Generated from src/reseal/_async/forwarding_counts.py by tools/unasync.py; edit that file instead.
"""Passing questions for figures on: see :mod:`reseal._sync.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._sync.ports import Store
    from reseal.core.model import Scope
    from reseal.core.purging import Backlog

    T = TypeVar("T")
    P = ParamSpec("P")


class ForwardingCounts:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: Store

        def _call(
            self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    def backlog(self) -> Backlog:
        return self._call("backlog", None, self.inner.backlog)

    def live_sessions(self) -> int:
        return self._call("live_sessions", None, self.inner.live_sessions)
