"""Calls that have to be awaited, and raise an error where no event loop runs. Written by hand for async and sync."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from reseal.core.events import Event

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[[Event], Awaitable[object] | None]
"""Handles an event: a function, or a coroutine function."""


def awaited(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have a coroutine function raise ``RuntimeError`` where no event loop runs.

    In a ``def`` route it would return a coroutine that nobody awaits: a sign-in answered with 200 and no cookies.
    """

    @functools.wraps(call)
    def checked(*args: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
        demand_loop(call.__name__, *args[:1])
        return call(*args, **named)

    return marked(checked)


def demand_loop(name: str, owner: object = None) -> None:
    """Raise ``RuntimeError`` where no event loop runs, for a call that has no time for :func:`awaited`."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        whole = name if owner is None else f"{type(owner).__name__}.{name}"
        raise RuntimeError(
            f"{whole} has to be awaited, and no event loop runs in this thread. In a def route use reseal.sync.{name} "
            "or a session of reseal.sync_session(), without a framework the sync class reseal.Reseal; or make the "
            "route async def"
        ) from None


def marked(call: Callable[P, T]) -> Callable[P, T]:
    """Have frameworks take it for the coroutine function that it stands for."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(call)
    call._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 - what 3.11 has
    return call


async def handle(handler: Callable[[T], Awaitable[object] | None], event: T) -> None:
    """Have an event, or a case, handled."""
    handled = handler(event)
    if inspect.isawaitable(handled):
        await handled
