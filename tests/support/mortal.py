"""A process that ends between any two calls of its store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reseal._async.forwarding import AsyncForwardingStore, P, T
from reseal._async.ports import AsyncStore
from reseal.core.model import Scope


class Killed(BaseException):
    """The process ends here."""


class Mortal(AsyncForwardingStore):
    """A store whose user is killed at one of its calls, before it is done or after."""

    def __init__(self, inner: AsyncStore, *, at: int, done: bool) -> None:
        super().__init__(inner)
        self._left = at
        self._is_done = done

    async def _call(
        self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.count(call, *args, **kwargs)

    async def count(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make one call, or be killed at it."""
        self._left -= 1
        if self._left < 0 and not self._is_done:
            raise Killed
        result = await call(*args, **kwargs)
        if self._left < 0:
            raise Killed
        return result
