# Generated from src/reseal/_async/ports/limits.py by tools/unasync.py; edit that file instead.
"""What a store promises about limited sign-ins, and sessions about changes of policies.

Errors are those of every store: :mod:`reseal._sync.ports.stores`.
"""

from __future__ import annotations

from typing import Protocol

from reseal.core.model import NewSession, Scope
from reseal.core.outbox import Reports
from reseal.core.policy_preview import PlannedLimits, Previewed
from reseal.core.selection import Place
from reseal.core.session_policy import Admission, SessionLimit


class LimitStore(Protocol):
    """Where users may have so many sessions."""

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        """Begin a session if the live ones of its user leave room for it, or end the oldest ones for it (``limit``).

        Of any number of callers at a time, none leaves more live sessions than ``limit`` allows. ``ended_reports`` are
        events for those that are ended. ``limit.ending`` is written with it if the row still has that version. No
        record: the user has too many, that row has changed, or the handle is taken. Then nothing was changed.
        """


class PolicyAccess(Protocol):
    """Sessions of which a change of policies can be tried."""

    def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        """Count some of the live sessions behind a place, and those that other limits would end. Changes nothing."""
