# Generated from src/reseal/_async/session_policies.py by tools/unasync.py; edit that file instead.
"""The calls of an application about the policies of its sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reseal._sync.awaited import awaited
from reseal._sync.engine import Engine
from reseal._sync.forwarding import ForwardingSessions
from reseal._sync.ports import Sessions, Store
from reseal.core.errors import ConfigurationError
from reseal.core.events import NOBODY, Caller
from reseal.core.rotation import why_ended
from reseal.core.selection import PAGE, Before, Place
from reseal.core.session_policy import Lifetimes, Policies, SessionPolicy
from reseal.core.tokens import TokenPair
from reseal.devices.kinds import DeviceKind, kind_of
from reseal.settings import Settings


class SignIn(NamedTuple):
    """What is known of a sign-in when its policy is chosen."""

    user_id: str
    tenant_id: str
    claims: Mapping[str, Any]
    """The JWT payload of the session."""
    kind: DeviceKind


class PolicyPreview(NamedTuple):
    """What a change of limits would do."""

    sessions: int
    """Live sessions."""
    ending: int
    """Those that would end at their next refresh."""


PolicyChooser = Callable[[SignIn], SessionPolicy | str | None]


class SessionPolicies:
    """A part of :class:`reseal.Reseal`."""

    settings: Settings
    backend: Sessions

    def choose_policy(self, chooser: PolicyChooser) -> PolicyChooser:
        """Have a function choose the policy of each sign-in that names none; usable as a decorator.

        It is given a :class:`reseal.SignIn` and returns a name, a :class:`reseal.SessionPolicy`, or ``None`` for the
        policy ``default`` of the settings. It must not wait. What it raises is raised by ``create_new_session``.
        """
        self.backend = _AsyncChoosing(self.backend, chooser)
        return chooser

    @awaited
    def preview_policies(self, changed: Settings) -> PolicyPreview:
        """Count what the limits of other settings would do to the sessions of this app and tenant. Changes nothing.

        It reads every live session, page by page. Raises ``StoreUnavailable``, and ``ConfigurationError`` with
        ``Remote`` sessions: their store is another process's.
        """
        backend = self.backend
        while isinstance(backend, ForwardingSessions):
            backend = backend.inner
        if not isinstance(backend, Engine):
            raise ConfigurationError(("preview_policies: ask a process that has the store, with the same settings",))
        return _preview(backend.store, changed)


def _preview(store: Store, changed: Settings) -> PolicyPreview:
    lifetimes, now = Lifetimes(changed.idle_ms, changed.absolute_ms), (store.times()).now
    policies = Policies(changed.policy, lifetimes, changed.policies)
    which = Before(app_id=changed.app_id, tenant_id=changed.tenant_id, user_id=None, moment=now + 1)
    after, sessions, ending = Place(), 0, 0
    while page := store.list_before(which, after, PAGE):
        for _, record in page:
            sessions += 1
            if record.policy is not None and why_ended(policies[record.policy].bound(record), now):
                ending += 1
        scope, last = page[-1]
        after = Place(scope.tenant_id, last.handle)
    return PolicyPreview(sessions, ending)


class _AsyncChoosing(ForwardingSessions):
    """Sessions whose policy a function of the application chooses."""

    def __init__(self, inner: Sessions, chooser: PolicyChooser) -> None:
        super().__init__(inner)
        self._chooser = chooser

    def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        caller: Caller = NOBODY,
        lifetime_ms: int | None = None,
        policy: SessionPolicy | str | None = None,
        replaced: tuple[str, ...] = (),
    ) -> TokenPair:
        if policy is None and lifetime_ms is None:
            kind = kind_of(caller.device.user_agent)
            policy = self._chooser(SignIn(user_id, self.settings.tenant_id, jwt_payload or {}, kind))
        return super().create(
            user_id,
            jwt_payload,
            session_data,
            caller=caller,
            lifetime_ms=lifetime_ms,
            policy=policy,
            replaced=replaced,
        )
