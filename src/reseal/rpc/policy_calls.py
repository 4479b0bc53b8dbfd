"""The call that tries a change of policies."""

from __future__ import annotations

from reseal.core.policy_preview import PlannedLimits
from reseal.core.selection import Place
from reseal.rpc.calls import Call


class PreviewPolicies(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    planned: PlannedLimits
    after: Place = Place()
