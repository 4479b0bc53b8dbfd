"""What tests of sessions need: time that one can move, stores that fail when told to, suites for new stores."""

from __future__ import annotations

from reseal.testing.clock import ManualClock

__all__ = ["ManualClock"]
