"""What a change of policies would do, page by page, here and in a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.policy_preview import PlannedLimits, Previewed
from reseal.core.selection import PAGE, Before, Place

if TYPE_CHECKING:
    from reseal._async.ports import AsyncSessions, AsyncStore
    from reseal._async.remote_calls import AsyncCalls
    from reseal.settings import Settings


class AsyncPreviewing:
    """A part of :class:`reseal.AsyncEngine`."""

    if TYPE_CHECKING:
        settings: Settings
        _store: AsyncStore

    async def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        """Count some live sessions, and those that limits would end. Changes nothing. Raises ``StoreUnavailable``."""
        now = (await self._store.times()).now
        which = Before(app_id=self.settings.app_id, tenant_id=self.settings.tenant_id, user_id=None, moment=now + 1)
        page = await self._store.list_before(which, after, PAGE)
        ending = planned.ending((record for _, record in page), now)
        last = Place(page[-1][0].tenant_id, page[-1][1].handle) if len(page) == PAGE else None
        return Previewed(len(page), ending, last)


class AsyncRemotePreviewing:
    """A part of :class:`reseal.AsyncRemote`."""

    if TYPE_CHECKING:
        _calls: AsyncCalls

    async def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        """Count some live sessions, and those that limits would end. See :meth:`reseal.AsyncEngine.preview_some`."""
        return await self._calls.call("preview_policies", Previewed, repeatable=True, planned=planned, after=after)


class AsyncForwardingPreviews:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: AsyncSessions

    async def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        return await self.inner.preview_some(planned, after)
