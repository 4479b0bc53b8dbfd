"""How a test does several things at once. Written by hand for async and sync, which differ here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def together(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T | BaseException]:
    """Begin all calls at once; give each one's result, or the error that it raised, in order."""
    return await asyncio.gather(*(call() for call in calls), return_exceptions=True)
