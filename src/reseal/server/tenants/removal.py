"""How a tenant is removed, so that nothing of it is left or comes back, whatever other processes do at the same time.

=========  ==============================  =========  ==========================  =====================================
state      its rows in the store           is found   when it is created          when it is removed
=========  ==============================  =========  ==========================  =====================================
absent     none                            no         its row is written          what may be left of it is deleted
present    its own, and its app's          yes        its row is changed          its row becomes the mark: it is being
           default tenant's                                                       removed; then as there
removing   the mark ``REMOVING``           no         the removal is finished     its sessions are deleted, then its row
                                                      first, then as absent
orphaned   its own, but none of its app's  no         its row is deleted again,   it is deleted with its app
           default tenant                             and the caller is refused
=========  ==============================  =========  ==========================  =====================================

A session that begins is written first, and its tenant is looked up afterwards (``tenant_guard``). So either the removal
finds the session, or the lookup finds the mark. All of this happens under the directory's lock, on rows just read.
"""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal.cdi.problem import unknown_tenant
from reseal.core.handles import DEFAULT_TENANT
from reseal.core.model import Scope
from reseal.server.tenants.rows import REMOVING, TenantRows


class Removal:
    """The steps of a removal."""

    def __init__(self, store: AsyncStore, rows: TenantRows) -> None:
        self._store = store
        self._rows = rows

    async def begin(self, scope: Scope) -> None:
        """Mark a tenant that is present: from now on it is not found."""
        await self._store.put_tenant(scope, REMOVING)

    async def finish(self, scope: Scope) -> bool:
        """Delete what a tenant has, and first the orphans of its app. Says whether there was anything."""
        if scope.tenant_id == DEFAULT_TENANT:
            for tenant_id in self._rows.orphans(scope.app_id):
                await self._store.remove_tenant(Scope(scope.app_id, tenant_id))
        return await self._store.remove_tenant(scope)

    async def finish_begun(self, scope: Scope) -> None:
        """Complete an interrupted removal, so that nothing of the tenant comes back."""
        if scope in self._rows.removing:
            await self.finish(scope)

    async def refuse_orphan(self, scope: Scope) -> None:
        """Delete a tenant again that was created in an app that is gone. Raises ``Problem``."""
        if self._rows.orphans(scope.app_id):
            await self._store.remove_tenant(scope)
            raise unknown_tenant(scope.app_id, DEFAULT_TENANT)
