"""Fixtures for pytest, which finds this module by itself. Nothing is imported before a test asks for a fixture.

=====================  ===============================================================================
``reseal_clock``       a :class:`~reseal.testing.ManualClock`
``reseal_events``      a :class:`~reseal.testing.Recorder`
``reseal_in_memory``   a function that gives an application a store in memory, that clock and that
                       recorder until the test ends (:func:`~reseal.testing.overridden`)
``reseal_browser``     a function that opens a :class:`~reseal.testing.Browser` with that clock until the
                       test ends
``signed_in``          :func:`~reseal.testing.signed_in`
``async_signed_in``    :func:`~reseal.testing.async_signed_in`
=====================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from reseal import testing  # whose names are imported when they are used

if TYPE_CHECKING:
    from reseal.testing import Browser, ManualClock, Recorder


@pytest.fixture
def reseal_clock() -> ManualClock:
    """Return a clock that stands still until the test advances it."""
    return testing.ManualClock()


@pytest.fixture
def reseal_events() -> Recorder:
    """Return a listener that keeps the security events of the test."""
    return testing.Recorder()


@pytest.fixture
def reseal_in_memory(reseal_clock: ManualClock, reseal_events: Recorder) -> Iterator[Callable[..., Any]]:
    """Return a function that has an application keep its sessions in memory; it takes settings to change as well."""
    with ExitStack() as stack:

        def in_memory(reseal: Any, **changes: Any) -> Any:
            given = {"database_uri": "memory:", **changes}
            return stack.enter_context(testing.overridden(reseal, clock=reseal_clock, on_event=reseal_events, **given))

        yield in_memory


@pytest.fixture
def reseal_browser(reseal_clock: ManualClock) -> Iterator[Callable[..., Browser]]:
    """Return a function that opens a browser; it takes the arguments of :class:`~reseal.testing.Browser`."""
    with ExitStack() as stack:

        def browser(target: Any, *args: Any, **options: Any) -> Browser:
            return stack.enter_context(testing.Browser(target, *args, **{"clock": reseal_clock, **options}))

        yield browser


@pytest.fixture
def signed_in() -> Callable[..., Any]:
    """Return the function that begins a session for a client."""
    return testing.signed_in


@pytest.fixture
def async_signed_in() -> Callable[..., Any]:
    """Return the function that begins a session for a client, in async code."""
    return testing.async_signed_in
