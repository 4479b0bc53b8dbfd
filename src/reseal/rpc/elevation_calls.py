"""The call that raises the level of a session."""

from __future__ import annotations

from reseal.core.events import Caller
from reseal.rpc.calls import NONE, Check


class Elevate(Check, frozen=True, forbid_unknown_fields=True, kw_only=True):
    authentication: dict[str, object]
    for_ms: int
    caller: Caller = NONE
