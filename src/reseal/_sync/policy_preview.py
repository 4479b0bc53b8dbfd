# Generated from src/reseal/_async/policy_preview.py by tools/unasync.py; edit that file instead.
"""What a change of policies would do, page by page, here and in a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.policy_preview import PlannedLimits, Previewed
from reseal.core.selection import PAGE, Before, Place

if TYPE_CHECKING:
    from reseal._sync.ports import Sessions, Store
    from reseal._sync.remote_calls import Calls
    from reseal.settings import Settings


class Previewing:
    """A part of :class:`reseal.Engine`."""

    if TYPE_CHECKING:
        settings: Settings
        _store: Store

    def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        """Count some live sessions, and those that limits would end. Changes nothing. Raises ``StoreUnavailable``."""
        now = (self._store.times()).now
        which = Before(app_id=self.settings.app_id, tenant_id=self.settings.tenant_id, user_id=None, moment=now + 1)
        page = self._store.list_before(which, after, PAGE)
        ending = planned.ending((record for _, record in page), now)
        last = Place(page[-1][0].tenant_id, page[-1][1].handle) if len(page) == PAGE else None
        return Previewed(len(page), ending, last)


class RemotePreviewing:
    """A part of :class:`reseal.Remote`."""

    if TYPE_CHECKING:
        _calls: Calls

    def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        """Count some live sessions, and those that limits would end. See :meth:`reseal.Engine.preview_some`."""
        return self._calls.call("preview_policies", Previewed, repeatable=True, planned=planned, after=after)


class ForwardingPreviews:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: Sessions

    def preview_some(self, planned: PlannedLimits, after: Place) -> Previewed:
        return self.inner.preview_some(planned, after)
