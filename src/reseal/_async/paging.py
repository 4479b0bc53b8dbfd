"""Lists that are read in pages, so that no call is about more rows than a page has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reseal._async.ports import AsyncTenantStore
from reseal.core.model import Scope, SessionRecord, StoredTenant, TenantChanges
from reseal.core.selection import PAGE, UserPlace

Records = tuple[SessionRecord, ...]


async def sessions_of_user(read: Callable[[UserPlace, int], Awaitable[Records]]) -> Records:
    """Read all pages; ``read`` reads one. Sessions that begin at the same time may be among them."""
    records: list[SessionRecord] = []
    after = UserPlace()
    while True:
        page = await read(after, PAGE)
        records += page
        if len(page) < PAGE:
            return tuple(records)
        after = UserPlace(page[-1].created_at, page[-1].handle)


async def changed_tenants(store: AsyncTenantStore, since: int) -> TenantChanges:
    """Read all pages of what changed since a revision; tenants come oldest first."""
    there: dict[Scope, StoredTenant] = {}
    gone: dict[Scope, None] = {}
    page = await store.changed_tenants(since)
    start = page.since
    while True:
        gone |= dict.fromkeys(page.gone)
        for scope in page.gone:
            there.pop(scope, None)
        for tenant in page.there:
            there[tenant.scope] = tenant
            gone.pop(tenant.scope, None)
        if not page.more:
            oldest_first = sorted(there.values(), key=lambda tenant: tenant.created_at)
            return TenantChanges(page.revision, start, tuple(oldest_first), tuple(gone) if start else ())
        page = await store.changed_tenants(page.revision)
        if page.since == 0:  # an older state was restored meanwhile
            return await changed_tenants(store, 0)
