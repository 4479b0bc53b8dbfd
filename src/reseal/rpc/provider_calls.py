"""The calls about identity providers: their logouts, and clients of an application that is one."""

from __future__ import annotations

from reseal.core.logout_clients import LogoutClient
from reseal.core.providers import ProviderLogout
from reseal.rpc.calls import Call, Get


class EndByProvider(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    logout: ProviderLogout


class RememberClient(Get, frozen=True, forbid_unknown_fields=True, kw_only=True):
    client: LogoutClient
