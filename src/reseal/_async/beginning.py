"""The beginning of a session: what its policy says of it, and how many sessions its user may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reseal._async.ports import AsyncSessionStore
from reseal.core import actor
from reseal.core.errors import StoreUnavailable
from reseal.core.events import NO_DEVICE as UNKNOWN
from reseal.core.events import Caller, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.core.refresh_token import RefreshToken
from reseal.core.session_policy import NO_POLICY, Chosen, Limits, Policies, SessionLimit, TooManySessions
from reseal.devices import about
from reseal.event_emitter import EventEmitter


class Step(msgspec.Struct, frozen=True, gc=False):
    """One step of a family: the new row, the current token, and the store's time (ms)."""

    record: SessionRecord
    token: RefreshToken
    store_now: int


class AsyncBeginning:
    """A part of :class:`reseal._async.token_families.AsyncTokenFamilies`."""

    if TYPE_CHECKING:
        policies: Policies
        _scope: Scope
        _store: AsyncSessionStore
        _emitter: EventEmitter
        _keeps_device: bool

    async def begin(
        self,
        token: RefreshToken,
        user_id: str,
        jwt_payload: bytes,
        session_data: bytes,
        caller: Caller,
        *,
        use_static_key: bool = False,
        policy: Chosen = NO_POLICY,
        newness: str | None = None,
    ) -> Step:
        """Store a new session under a token of :meth:`new_token`.

        ``newness``: what is new about the device, to be reported with it.
        """
        limits = self.policies[policy.kept]
        idle_ms, absolute_ms = limits.lifetimes
        new = NewSession(
            handle=token.handle,
            user_id=user_id,
            token_hash=token.hash,
            idle_ms=idle_ms,
            absolute_ms=min([each for each in (absolute_ms, policy.lifetime_ms) if each is not None], default=None),
            jwt_payload=jwt_payload,
            session_data=session_data,
            device=caller.device,
            use_static_key=use_static_key,
            about=about.beginning(caller.device if self._keeps_device else UNKNOWN, policy.provider),
            policy=policy.kept,
        )
        reports = self._emitter.draft(EventName.SESSION_CREATED, caller)
        reports += () if newness is None else self._emitter.draft(EventName.NEW_DEVICE, caller, reason=newness)
        if limits.max_sessions is None or user_id == ANONYMOUS or actor.stored(jwt_payload):  # no user's sign-in
            record = await self._store.insert(self._scope, new, reports)
        else:
            record = await admit(self._store, self._scope, self._emitter, new, limits, reports, policy.replaced)
        if record is None:
            raise StoreUnavailable("the random source gave a session handle twice")
        self._emitter.emit_for(EventName.SESSION_CREATED, record, caller)
        if newness is not None:
            self._emitter.emit_for(EventName.NEW_DEVICE, record, caller, reason=newness)
        return Step(record, token, record.created_at)


async def admit(
    store: AsyncSessionStore,
    scope: Scope,
    emitter: EventEmitter,
    new: NewSession,
    limits: Limits,
    reports: Reports,
    replaced: tuple[str, ...],
) -> SessionRecord | None:
    """Begin a session as its policy allows; ``None`` if the handle is taken. Raises ``TooManySessions``."""
    most = limits.max_sessions or 1
    limit = SessionLimit(most, limits.at_limit == "evict_oldest", replaced)
    admission = await store.insert_limited(scope, new, limit, reports, emitter.draft_ended(EndReason.LIMIT))
    if admission.is_full:
        raise TooManySessions(most, limits.at_limit == "ask")
    emitter.emit_ended(admission.ended, new.user_id, EndReason.LIMIT)
    return admission.record
