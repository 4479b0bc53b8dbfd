"""The call about logouts that an identity provider tells."""

from __future__ import annotations

from reseal.core.providers import ProviderLogout
from reseal.rpc.calls import Call


class EndByProvider(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    logout: ProviderLogout
