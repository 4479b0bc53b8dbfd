# Generated from src/reseal/_async/ports/tenants.py by tools/unasync.py; edit that file instead.
"""What a store promises about apps and tenants. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.model import Scope, TenantChanges
from reseal.core.selection import TENANTS_PAGE


class TenantStore(Protocol):
    """Where the configuration of apps and tenants lives. Each change has a revision, later ones a higher one."""

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        """Read which tenants of which apps were put or removed since a revision; all of them since 0.

        The answer has up to ``limit`` new or changed ones and as many removed ones, and says if there are more; those
        that share a revision stay together.

        Where nothing has changed this costs one short question, however many tenants there are. A revision that the
        store has not reached, because an older state was restored, counts as 0.
        """

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        """Create a tenant, or replace its configuration; a new revision. Says whether it was created."""

    def remove_tenant(self, scope: Scope) -> bool:
        """Forget a tenant and its sessions; with the tenant ``public`` also the app's keys. Says if it was there.

        It is a new revision if it was there. After ``StoreUnavailable`` some of its sessions may be gone, others not;
        the tenant itself goes with the last of them or later, so that a caller that repeats the call still finds it.
        """
