# Generated from src/reseal/testing/_async/faulty.py by tools/unasync.py; edit that file instead.
"""A store that fails on demand."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from reseal._sync.forwarding import ForwardingStore, P, T
from reseal._sync.ports import Store
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope

Hook = Callable[[], object]


class FaultyStore(ForwardingStore):
    """Wraps a store. Faults are told by method name, happen once each, and in the order in which they were told."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.down = False
        """While true, every call fails and changes nothing."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self._plans: dict[str, deque[Callable[[Callable[[], Any]], Any]]] = {}

    def refuse(self, method: str, times: int = 1) -> None:
        """Fail before anything is done."""
        self._plan(method, _refused, times)

    def lose_acknowledgement(self, method: str, times: int = 1) -> None:
        """Do it, durably, and fail all the same: the answer got lost."""
        self._plan(method, _done_but_not_told, times)

    def before(self, method: str, hook: Hook) -> None:
        """Have something else happen first: another caller's whole request, or waiting for a signal."""
        self._plan(method, partial(_after_hook, hook), 1)

    def open(self) -> None:
        self._call("open", None, super().open)

    def _plan(self, method: str, fault: Callable[[Callable[[], Any]], Any], times: int) -> None:
        self._plans.setdefault(method, deque()).extend([fault] * times)

    def _call(
        self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.calls[method] += 1
        if self.down:
            raise StoreUnavailable("the test took the store down")
        plans = self._plans.get(method)
        if not plans:
            return call(*args, **kwargs)
        result: T = plans.popleft()(partial(call, *args, **kwargs))
        return result


def _refused(_: Callable[[], Any]) -> Any:
    raise StoreUnavailable("the test had this call refused")


def _done_but_not_told(call: Callable[[], Any]) -> Any:
    call()
    raise StoreUnavailable("the test lost this acknowledgement")


def _after_hook(hook: Hook, call: Callable[[], Any]) -> Any:
    hook()
    return call()
