"""What the sessions of an application consist of, whatever the framework.

The object of an adapter has the calls that need no request as ``sessions``; those of an event loop have the same calls
for other threads as ``sync``, and the connections that they follow as ``watch``. An application of Flask has the
object among its ``extensions``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from reseal._async.reseal import AsyncReseal
from reseal._sync.reseal import Reseal

Core: TypeAlias = AsyncReseal | Reseal
_WANTED = "an object of Reseal, or an application of Flask in which one is installed"


def adapter_of(target: Any) -> Any:
    """Return the object that has the sessions: ``target`` itself, or the one installed in an application of Flask."""
    extensions = getattr(target, "extensions", None)
    if isinstance(extensions, dict) and "reseal" in extensions:
        return extensions["reseal"]
    return target


def core_of(target: Any) -> Core:
    """Return the calls that need no request. Raises ``TypeError`` for what has none."""
    adapter = adapter_of(target)
    core = adapter if isinstance(adapter, AsyncReseal | Reseal) else getattr(adapter, "sessions", None)
    if isinstance(core, AsyncReseal | Reseal):
        return core
    raise TypeError(f"{_WANTED}, is needed here, not {type(target).__name__}")


def thread_core_of(target: Any) -> Reseal:
    """Return the sync calls: an application in an event loop has them as well, while it runs."""
    core = core_of(target)
    if isinstance(core, Reseal):
        opening = opening_of(adapter_of(target))
        (core.open if opening is None else opening.ensure)()
        return core
    of_threads = getattr(getattr(adapter_of(target), "sync", None), "sessions", None)
    if isinstance(of_threads, Reseal):
        return of_threads
    raise TypeError(f"{type(target).__name__} has no sync calls: await async_signed_in(…)")


def opening_of(adapter: Any) -> Any:
    """Return what opens the sessions before the first request, if they are not opened by a lifespan."""
    opening = getattr(adapter, "opening", None) or getattr(adapter, "_opening", None)
    return opening if hasattr(opening, "_is_open") else None
