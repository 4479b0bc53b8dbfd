"""The tests that a new store has to pass, and whatever else offers sessions.

A store subclasses :class:`AsyncStoreSuite` or :class:`StoreSuite`; sessions subclass :class:`AsyncSessionsSuite` or
:class:`SessionsSuite`, in the world of a test that opens them. They need pytest and Hypothesis. For readable failures,
call ``pytest.register_assert_rewrite("reseal.testing._async", "reseal.testing._sync")`` in ``conftest.py``.
"""

from __future__ import annotations

from reseal.testing._async.sessions_suite import AsyncSessionsSuite
from reseal.testing._async.store_suite import AsyncStoreSuite
from reseal.testing._async.world import AsyncWorld
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.store_suite import StoreSuite
from reseal.testing._sync.world import World

__all__ = ["AsyncSessionsSuite", "AsyncStoreSuite", "AsyncWorld", "SessionsSuite", "StoreSuite", "World"]
