# Generated from src/reseal/_async/acting_families.py by tools/unasync.py; edit that file instead.
"""The token families of sessions in which a user may be acting as another one.

Such a session lives as long as the actor's own, which may end anywhere: by a sign-out, a theft, its limits or an
operator, in another process. Nothing is written to the one when the other ends, so nothing can be lost between two
writes: whoever asks about an impersonation asks about the actor's session too, and ends it if that one is over.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from reseal._sync.beginning import Step
from reseal._sync.paging import Records
from reseal._sync.token_families import TokenFamilies, ended_of
from reseal.core import actor
from reseal.core.acting import USER, acting
from reseal.core.confirmation import Seen
from reseal.core.errors import InvalidInput, Refusal, Unauthorised
from reseal.core.events import Caller, EventName
from reseal.core.model import EndReason, SessionRecord
from reseal.core.refresh_token import RefreshToken
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Chosen
from reseal.devices import about


class ActingFamilies(TokenFamilies):
    """The token families of one scope."""

    def begin_acting(
        self,
        token: RefreshToken,
        user_id: str,
        jwt_payload: bytes,
        session_data: bytes,
        caller: Caller,
        *,
        policy: Chosen,
        newness: str | None,
    ) -> Step:
        """Store a new session, in which the actor of its payload acts: it ends no later than that user's own session.

        Raises ``InvalidInput`` if that is another user's or itself an impersonation, ``Unauthorised`` if it is over,
        ``SessionHeld``.
        """
        acts = actor.stored(jwt_payload)
        if acts is None:  # a claim of the application's that has the same name
            return self.begin(token, user_id, jwt_payload, session_data, caller, policy=policy, newness=newness)
        own, now = self.live(acts.handle)
        self._thefts.check(own)
        if own.user_id != acts.user_id or actor.stored(own.jwt_payload):
            raise InvalidInput("jwt_payload", "'act' must name a session of the actor's own")
        jwt_payload, reason = actor.without_reason(jwt_payload)
        reason = about.checked_note(reason)
        left = own.expires_at - now
        policy = policy._replace(lifetime_ms=min(left, policy.lifetime_ms or left))
        with acting(USER + acts.user_id):
            begun = self._emitter.draft(EventName.IMPERSONATION_BEGUN, caller)
            reports = tuple(replace(each, note=reason) for each in begun)
            return self.begin(token, user_id, jwt_payload, session_data, caller, policy=policy, reports=reports)

    def live(self, handle: str, *, renewed: bool = False) -> tuple[SessionRecord, int]:
        """Read a live session and the store's time. Raises ``Unauthorised``."""
        record, now = super().live(handle, renewed=renewed)
        if actor.MARK in record.jwt_payload:
            self._demand_actor(record)
        return record, now

    def confirm(self, seen: Seen) -> tuple[SessionRecord, int]:
        """Do :meth:`live`, and confirm the generation. Raises ``SessionHeld``."""
        record, now = super().confirm(seen)
        if actor.MARK in record.jwt_payload:
            self._demand_actor(record)
        return record, now

    def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Return the reason for each of these sessions that has ended or never existed."""
        found = self._store.get_many(self._scope, handles)
        return self._end_orphans(each.record for each in found.values()) | ended_of(found)

    def list_page(self, user_id: str, after: UserPlace, limit: int) -> Records:
        """Read one page of a user's live sessions."""
        page = super().list_page(user_id, after, limit)
        while self._end_orphans(page):
            page = super().list_page(user_id, after, limit)
        return page

    def _demand_actor(self, record: SessionRecord) -> None:
        """Raise what the actor's own session raises: ``Unauthorised``, ``SessionHeld``."""
        acts = actor.stored(record.jwt_payload)
        if acts is None:
            return
        try:
            own, _ = super().live(acts.handle)
        except Unauthorised:
            self._end_orphans((record,))
            raise
        self._thefts.check(own)

    def _end_orphans(self, records: Iterable[SessionRecord | None]) -> dict[str, Refusal]:
        """End those whose actor's own session is over; returns why that is, for each of them."""
        acted = {each.handle: (each, acts) for each in records if each and (acts := actor.stored(each.jwt_payload))}
        if not acted:
            return {}
        over = ended_of(self._store.get_many(self._scope, {acts.handle for _, acts in acted.values()}))
        orphans = {handle: over[acts.handle] for handle, (_, acts) in acted.items() if acts.handle in over}
        for handle in self.end(orphans, EndReason.SIGNED_OUT) if orphans else ():
            (record, acts), name, why = acted[handle], EventName.IMPERSONATION_ENDED, orphans[handle].value
            self._emitter.emit(name, session_handle=handle, user_id=record.user_id, reason=why, by=acts.user_id)
        return orphans
