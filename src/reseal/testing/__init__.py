"""Tools for tests of sessions: a client like a page, a manual clock, failing stores, suites for new stores.

A new store subclasses ``reseal.testing._async.store_suite.AsyncStoreSuite`` (or its sync twin); whatever offers
sessions subclasses ``AsyncSessionsSuite``. The suites need pytest and Hypothesis; nothing else here does.
"""

from __future__ import annotations

from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing._sync.faulty import FaultyStore
from reseal.testing.browser import as_browser
from reseal.testing.clock import ManualClock
from reseal.testing.recorder import Recorder

__all__ = ["AsyncFaultyStore", "FaultyStore", "ManualClock", "Recorder", "as_browser"]
