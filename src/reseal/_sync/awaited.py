"""Calls that have to be awaited in async code, and not here. Written by hand for async and sync."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from reseal.core.events import Event

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[[Event], object]
"""Handles an event."""


def awaited(call: Callable[P, T]) -> Callable[P, T]:
    """Return the function as it is."""
    return call


marked = awaited


def demand_loop(_name: str, _owner: object) -> None:
    """Demand nothing."""


def handle(handler: Callable[[T], object], event: T) -> None:
    """Have an event, or a case, handled."""
    handler(event)
