"""A store that fails on demand."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from reseal._async.forwarding import AsyncForwardingStore, P, T
from reseal._async.ports import AsyncStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope

Hook = Callable[[], Awaitable[object]]


class AsyncFaultyStore(AsyncForwardingStore):
    """Wraps a store. Faults are told by method name, happen once each, and in the order in which they were told."""

    def __init__(self, inner: AsyncStore) -> None:
        super().__init__(inner)
        self.down = False
        """While true, every call fails and changes nothing."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self._plans: dict[str, deque[Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]]] = {}

    def refuse(self, method: str, times: int = 1) -> None:
        """Fail before anything is done."""
        self._plan(method, _refused, times)

    def lose_acknowledgement(self, method: str, times: int = 1) -> None:
        """Do it, durably, and fail all the same: the answer got lost."""
        self._plan(method, _done_but_not_told, times)

    def before(self, method: str, hook: Hook) -> None:
        """Have something else happen first: another caller's whole request, or waiting for a signal."""
        self._plan(method, partial(_after_hook, hook), 1)

    async def open(self) -> None:
        await self._call("open", None, super().open)

    def _plan(self, method: str, fault: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]], times: int) -> None:
        self._plans.setdefault(method, deque()).extend([fault] * times)

    async def _call(
        self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.calls[method] += 1
        if self.down:
            raise StoreUnavailable("the test took the store down")
        plans = self._plans.get(method)
        if not plans:
            return await call(*args, **kwargs)
        result: T = await plans.popleft()(partial(call, *args, **kwargs))
        return result


async def _refused(_: Callable[[], Awaitable[Any]]) -> Any:
    raise StoreUnavailable("the test had this call refused")


async def _done_but_not_told(call: Callable[[], Awaitable[Any]]) -> Any:
    await call()
    raise StoreUnavailable("the test lost this acknowledgement")


async def _after_hook(hook: Hook, call: Callable[[], Awaitable[Any]]) -> Any:
    await hook()
    return await call()
