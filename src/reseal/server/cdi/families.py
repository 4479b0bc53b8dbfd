"""From a tenant, or a handle that names one, to the line of refresh tokens of its sessions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from reseal._async.ports import AsyncStore
from reseal._async.token_families import AsyncTokenFamilies, FamilySecrets
from reseal.cdi.model import AppSettings
from reseal.clock import Clock
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.events import EventListener, EventOutbox
from reseal.core.handles import is_handle, tenant_of
from reseal.core.model import Scope
from reseal.core.session_policy import Lifetimes, Policies
from reseal.event_emitter import EventEmitter

KEPT: Final = 64


class CdiTokenFamilies:
    """The lines of one app. Few of them are kept: whoever presents a token chooses the name in it."""

    def __init__(
        self,
        app: AppSettings,
        store: AsyncStore,
        clock: Clock,
        secrets: Callable[[], FamilySecrets],
        random: Callable[[int], bytes],
        on_event: EventListener,
        event_outbox: EventOutbox,
    ) -> None:
        self._app = app
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._random = random
        self._on_event = on_event
        self._event_outbox = event_outbox
        lifetimes = Lifetimes(app.refresh_token_ms, app.absolute_ms)
        self._policies = {graceful: Policies(app.policy(graceful=graceful), lifetimes) for graceful in (True, False)}
        self._kept = lru_cache(KEPT)(self._make)

    def of(self, tenant_id: str, *, graceful: bool = False) -> AsyncTokenFamilies:
        """Return the line of a tenant's sessions; ``graceful`` under the policy of CDI 5.6."""
        return self._kept(tenant_id, graceful)

    def of_handle(self, handle: str) -> AsyncTokenFamilies:
        """Return the line of a handle that somebody named. Raises ``Unauthorised`` if no handle looks like that."""
        if not is_handle(handle):
            raise Unauthorised(Refusal.UNKNOWN_SESSION)
        return self.of(tenant_of(handle))

    def _make(self, tenant_id: str, graceful: bool) -> AsyncTokenFamilies:  # noqa: FBT001 - the name of the one policy or the other
        scope = Scope(self._app.app_id, tenant_id)
        return AsyncTokenFamilies(
            scope,
            self._store,
            self._policies[graceful],
            self._secrets,
            self._random,
            EventEmitter(scope, self._clock, self._on_event, self._event_outbox),
            binds=True,  # native sessions: SDKs bring no proof
            theft_cases_ms=self._app.theft_cases_ms,
        )
