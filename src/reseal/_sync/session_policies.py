# Generated from src/reseal/_async/session_policies.py by tools/unasync.py; edit that file instead.
"""The calls of an application about the policies of its sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Unpack

from reseal._sync.awaited import awaited
from reseal._sync.forwarding import ForwardingSessions
from reseal._sync.ports import Sessions
from reseal.core.events import NOBODY
from reseal.core.policy_preview import PlannedLimits, PolicyPreview
from reseal.core.selection import Place
from reseal.core.session_policy import BeginOptions, SessionPolicy
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


_FIRST: Final[Place | None] = Place()
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

        It reads every live session, page by page: also by ``Remote``, with a call for each page. Raises
        ``StoreUnavailable``.
        """
        planned = PlannedLimits(idle_ms=changed.idle_ms, absolute_ms=changed.absolute_ms, policies=changed.policies)
        after, sessions, ending = _FIRST, 0, 0
        while after is not None:
            page = self.backend.preview_some(planned, after)
            sessions, ending, after = sessions + page.sessions, ending + page.ending, page.after
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
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        if options.get("policy") is None and options.get("lifetime_ms") is None:
            kind = kind_of(options.get("caller", NOBODY).device.user_agent)
            signing_in = SignIn(user_id, self.settings.tenant_id, jwt_payload or {}, kind)
            options["policy"] = self._chooser(signing_in)
        return super().create(user_id, jwt_payload, session_data, **options)
