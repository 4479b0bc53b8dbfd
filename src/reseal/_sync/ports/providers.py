# Generated from src/reseal/_async/ports/providers.py by tools/unasync.py; edit that file instead.
"""What stores and sessions promise about logouts that an identity provider tells."""

from __future__ import annotations

from typing import Protocol

from reseal.core.logout_clients import LogoutClient
from reseal.core.model import Scope
from reseal.core.outbox import Reports
from reseal.core.providers import ProviderEnd, ProviderLogout


class ProviderStore(Protocol):
    """Where sessions are found by the marks of :mod:`reseal.core.providers` in their ``about``."""

    def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        """Claim a logout, and end the live sessions that bear its mark: both are done, or neither.

        Those of ``logout.session`` if it has one, or else those of ``logout.user``. If it has both, those of the user
        with the mark of no session end as well; and if a session of the one is not of the other, nothing is changed.
        Nothing is changed either if the name is claimed already. Of any number of callers one gets it.
        """


class ProviderAccess(Protocol):
    """What sessions promise about logouts."""

    def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        """End the sessions of a logout whose token was verified, once. Raises ``StoreUnavailable``; try again then."""

    def remember_client(self, handle: str, client: LogoutClient) -> int:
        """Note that a client has a live session; returns how many do. Raises ``InvalidInput``, ``Unauthorised``."""
