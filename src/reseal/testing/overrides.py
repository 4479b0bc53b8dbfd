"""Other settings, another store and another clock for the sessions of an application, within a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from reseal._async import reseal as async_reseal
from reseal._async.reseal import AsyncReseal
from reseal._sync import reseal as sync_reseal
from reseal.clock import Clock
from reseal.core.events import Event, EventListener
from reseal.settings import Settings
from reseal.testing.cores import Core, adapter_of, core_of, opening_of

T = TypeVar("T")


@contextmanager
def overridden(
    reseal: T, *, clock: Clock | None = None, on_event: EventListener | None = None, **changes: Any
) -> Iterator[T]:
    """Have an application use other sessions within a block: this clock, these settings; a store of their own.

    ``reseal`` is the object that was installed in the application, of any framework, or an application of Flask.
    ``changes`` are keys of :class:`reseal.Settings`: ``database_uri="memory:"`` for a store that ends with the test.
    Paths of endpoints cannot be changed: they are routes already. ``on_event`` hears of events in addition to the
    application's own listener. The application is started within the block, and has ended before it does. Raises
    ``ConfigurationError``, and ``TypeError`` for what has no sessions.
    """
    adapter, core = adapter_of(reseal), core_of(reseal)
    opening = opening_of(adapter)
    changed = [each for each in (core, getattr(adapter, "watch", None), _thread_core(adapter)) if each is not None]
    before = [(each, dict(vars(each))) for each in (*changed, adapter)]
    was_open = opening is not None and _exchange(opening, is_open=False)
    try:
        _replace(adapter, core, replace(core.settings, **changes), clock, on_event)
        yield reseal
    finally:
        _close(core, opening)
        for each, attributes in before:
            vars(each).clear()
            vars(each).update(attributes)
        if opening is not None:
            _exchange(opening, is_open=was_open)


def _replace(adapter: Any, core: Core, settings: Settings, clock: Clock | None, on_event: EventListener | None) -> None:
    attributes = vars(core)
    time: Clock = clock or attributes["clock"]
    listener = _both(attributes["_events"].listener, on_event)
    embedded = (async_reseal if isinstance(core, AsyncReseal) else sync_reseal).embedded
    backend: Any = embedded(settings, time, listener)
    if hasattr(adapter, "watch"):
        _renew(adapter.watch, backend, settings.session_check_interval, time)
        backend = adapter.watch.sessions
    elif hasattr(core.backend, "inner"):  # one that adds something to some calls
        wrapper: Any = type(core.backend)
        backend = wrapper(backend)
    _renew(core, settings, sessions=backend, clock=time, on_event=listener)
    of_threads = _thread_core(adapter)
    if of_threads is not None:
        _renew(of_threads, settings, sessions=of_threads.backend, clock=time, on_event=listener)
    if "settings" in vars(adapter):
        adapter.settings = settings


def _renew(made: Any, *args: Any, **named: Any) -> None:
    """Begin an object anew that others refer to already."""
    type(made).__init__(made, *args, **named)


def _thread_core(adapter: Any) -> Any:
    return getattr(getattr(adapter, "sync", None), "sessions", None)


def _both(first: EventListener, second: EventListener | None) -> EventListener:
    if second is None:
        return first
    listener: Callable[[Event], object] = second

    def tell(event: Event) -> None:
        first(event)
        listener(event)

    return tell


def _exchange(opening: Any, *, is_open: bool) -> bool:
    former: bool = vars(opening)["_is_open"]
    vars(opening)["_is_open"] = is_open
    return former


def _close(core: Core, opening: Any) -> None:
    """Close sync sessions that a request has opened; async ones are closed by the lifespan."""
    if opening is not None and vars(opening)["_is_open"] and not isinstance(core, AsyncReseal):
        core.close()
