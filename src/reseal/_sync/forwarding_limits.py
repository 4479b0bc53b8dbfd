# Generated from src/reseal/_async/forwarding_limits.py by tools/unasync.py; edit that file instead.
"""Passing limited sign-ins on: see :mod:`reseal._sync.forwarding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._sync.forwarding_kills import ForwardingKills

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._sync.ports import Store
    from reseal.core.model import NewSession, Scope
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Admission, SessionLimit

    T = TypeVar("T")
    P = ParamSpec("P")


class ForwardingLimits(ForwardingKills):
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: Store

        def _call(
            self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        call = self.inner.insert_limited
        return self._call("insert_limited", scope, call, scope, new, limit, reports, ended_reports)
