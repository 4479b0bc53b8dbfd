"""The beginning of a session: what its policy says of it, and how many sessions its user may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reseal._async.ports import AsyncSessionStore
from reseal._async.visitors import AsyncConverting
from reseal.core import actor
from reseal.core.errors import StoreUnavailable
from reseal.core.events import Caller, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.core.refresh_token import RefreshToken
from reseal.core.session_policy import (
    NO_POLICY,
    Admission,
    Chosen,
    Ending,
    Limits,
    Policies,
    SessionLimit,
    TooManySessions,
)
from reseal.devices import about
from reseal.event_emitter import EventEmitter


class Step(msgspec.Struct, frozen=True, gc=False):
    """One step of a family: the new row, the current token, and the store's time (ms)."""

    record: SessionRecord
    token: RefreshToken
    store_now: int


class AsyncBeginning(AsyncConverting):
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
        reports: Reports = (),
    ) -> Step:
        """Store a new session under a token of :meth:`new_token`.

        ``newness``: what is new about the device, to be reported with it, as ``reports`` are.
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
            about=about.beginning(caller.device if self._keeps_device else None, policy.provider),
            policy=policy.kept,
        )
        reports = self._emitter.draft(EventName.SESSION_CREATED, caller) + reports
        reports += () if newness is None else self._emitter.draft(EventName.NEW_DEVICE, caller, reason=newness)
        if policy.replaced.visitor is None and limits.max_sessions is None:
            record = await self._store.insert(self._scope, new, reports)
        else:
            record = await self._convert(new, limits, reports, caller, policy.replaced)
        if record is None:
            raise StoreUnavailable("the random source gave a session handle twice")
        self._emitter.emit_for(EventName.SESSION_CREATED, record, caller)
        if newness is not None:
            self._emitter.emit_for(EventName.NEW_DEVICE, record, caller, reason=newness)
        return Step(record, token, record.created_at)

    async def _admit(
        self,
        new: NewSession,
        limits: Limits,
        reports: Reports,
        replaced: tuple[str, ...],
        visitor: SessionRecord | None = None,
    ) -> Admission:
        """Store a new session as its policy allows. ``visitor``: one that ends with it. Raises ``TooManySessions``."""
        is_exempt = new.user_id == ANONYMOUS or actor.stored(new.jwt_payload)  # which is nobody's sign-in
        most = None if is_exempt else limits.max_sessions
        if most is None and visitor is None:
            return Admission(await self._store.insert(self._scope, new, reports), ())
        ending = None if visitor is None else Ending(visitor, self._emitter.draft_ended(EndReason.REPLACED))
        limit = SessionLimit(most, limits.at_limit == "evict_oldest", replaced, ending)
        evicted_reports = self._emitter.draft_ended(EndReason.LIMIT)
        admission = await self._store.insert_limited(self._scope, new, limit, reports, evicted_reports)
        if admission.is_full:
            raise TooManySessions(most or 1, limits.at_limit == "ask")
        self._emitter.emit_ended(admission.ended, new.user_id, EndReason.LIMIT)
        return admission
