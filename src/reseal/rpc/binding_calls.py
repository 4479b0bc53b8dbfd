"""The call that binds a session to a device."""

from __future__ import annotations

from reseal.core.events import Caller
from reseal.rpc.calls import NONE, Call


class Bind(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    presented: str
    proof: str
    caller: Caller = NONE

    def __repr__(self) -> str:
        return "Bind()"
