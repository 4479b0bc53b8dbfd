"""What a change of policies would do to a session, before anybody makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec

from reseal.core.model import SessionRecord
from reseal.core.policies import classic
from reseal.core.rotation import why_ended
from reseal.core.selection import Place
from reseal.core.session_policy import LONGEST, SHORTEST, Lifetimes, Policies, SessionPolicy

_Ms = Annotated[int, msgspec.Meta(ge=SHORTEST, le=LONGEST)]


class PolicyPreview(NamedTuple):
    """What a change of limits would do."""

    sessions: int
    """Live sessions."""
    ending: int
    """Those that would end at their next refresh."""


class Previewed(NamedTuple):
    """What it would do to some sessions, and the place behind them; ``None``: there are no more."""

    sessions: int
    ending: int
    after: Place | None


class PlannedLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of other settings."""

    idle_ms: _Ms
    absolute_ms: _Ms | None
    policies: tuple[SessionPolicy, ...]

    def ending(self, records: Iterable[SessionRecord], now: int) -> int:
        """Count the sessions that these limits would end."""
        lifetimes = Lifetimes(self.idle_ms, self.absolute_ms)
        policies = Policies(classic(0), lifetimes, self.policies)  # how they rotate changes no limit
        return sum(record.policy is not None and bool(why_ended(policies.applied(record), now)) for record in records)
