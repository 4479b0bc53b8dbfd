"""What is done when a token is met that should not be: the policy's response, the events, and the case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reseal.core import cases, holding, outbox, rotation
from reseal.core.errors import Refusal, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import Caller, EventName
from reseal.core.holding import HELD, Hold, SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, Policy, Scope, SessionRecord, TheftResponse
from reseal.core.outbox import Drafts, Occurrence
from reseal.core.refresh_token import RefreshToken
from reseal.core.session_policy import Policies
from reseal.devices import about
from reseal.event_emitter import EventEmitter

if TYPE_CHECKING:
    from reseal._async.case_files import AsyncCaseFiles
    from reseal._async.ports import AsyncSessionStore

ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""
_HOLDS: Final = frozenset({TheftResponse.HOLD, TheftResponse.STEP_UP})
_USER: Final = "the user"
_OF_BEFORE: Final = "refused; the token is from before the session was confirmed"
_REFUSED = "refused; the session had ended"
_SAME_SUCCESSOR = "the same successor as before; a third refresh in a row that needed this"


class AsyncThefts:
    """The thefts of one scope. ``files``: where cases are written, if they are kept."""

    def __init__(
        self,
        scope: Scope,
        store: AsyncSessionStore,
        policies: Policies,
        emitter: EventEmitter,
        files: AsyncCaseFiles,
    ) -> None:
        self._scope = scope
        self._store = store
        self._policies = policies
        self._emitter = emitter
        self._files = files

    async def respond(
        self,
        verdict: rotation.Reuse,
        record: SessionRecord,
        now: int,
        token: RefreshToken,
        caller: Caller,
        end_user: Callable[[str, str], Awaitable[object]],
    ) -> TokenTheftDetected | SessionHeld:
        """Carry the policy's response out, and return the error to raise. The case is written first.

        ``end_user`` ends all sessions of a user but one.
        """
        subtype, response = verdict.subtype.value, self._response(record)
        if self._files.kept:
            outcome = cases.outcome_of(response)
            await self._files.extend(*self._seen(EventName.TOKEN_THEFT, record, now, token, caller, outcome, subtype))
        if response is TheftResponse.REVOKE_USER and record.user_id != ANONYMOUS:  # those are of many visitors
            # The others first: if the store fails here, the next try finds this session live and begins again.
            await end_user(record.user_id, record.handle)
        try:
            is_first = await self._end(subtype, record, token, caller)
        except StoreUnavailable:
            # The session may have been ended, and then this theft is not detected again.
            self._emitter.emit_for(EventName.TOKEN_THEFT, record, caller, reason=subtype, other=record.device)
            raise
        if is_first:
            self._emitter.emit_for(EventName.TOKEN_THEFT, record, caller, reason=subtype, other=record.device)
        if response in _HOLDS:
            return SessionHeld(response.value, record.user_id, record.handle, subtype)
        return TokenTheftDetected(record.user_id, record.handle, subtype)

    async def demand_free(self, record: SessionRecord, now: int, token: RefreshToken, caller: Caller) -> None:
        """Refuse a token of a session that is held, and one of before it was confirmed.

        Raises ``SessionHeld``, ``Unauthorised``.
        """
        hold = self._policies[record.policy].hold
        is_held = hold.response is not None
        if not is_held and token.generation >= hold.first:
            return
        if self._files.kept:
            outcome = cases.HOLDS if is_held else _OF_BEFORE
            seen = self._seen(EventName.REFRESH_REFUSED, record, now, token, caller, outcome)
            await self._files.extend(*seen, only_known=True)
        reason = HELD if is_held else Refusal.THEFT.value
        self._emitter.emit_for(EventName.REFRESH_REFUSED, record, caller, reason=reason)
        self.check(record)
        raise Unauthorised(Refusal.THEFT)

    def check(self, record: SessionRecord) -> None:
        """Raise ``SessionHeld`` for a session that is held."""
        response = self._policies[record.policy].hold.response
        if response is not None:
            raise SessionHeld(response.value, record.user_id, record.handle)

    def confirmed(self, record: SessionRecord, generation: int) -> str | None:
        """Return what a session keeps that its user has confirmed: tokens before this generation are void.

        Raises ``SessionHeld`` where only an administrator, or another sign-in, may do so.
        """
        hold = self._policies[record.policy].hold
        if hold.response is not TheftResponse.STEP_UP:
            self.check(record)
            return record.policy
        return Hold(hold.policy, None, generation).kept()

    async def note_confirmed(self, before: SessionRecord, after: SessionRecord, now: int) -> None:
        """Note it in the case, if there is one."""
        if self._files.kept and before.policy != after.policy:
            await self._files.note_released(after.handle, now, _USER)

    def _response(self, record: SessionRecord) -> TheftResponse:
        response = self._policies[record.policy].rotation.theft_response
        if response in _HOLDS and record.user_id == ANONYMOUS:  # nobody could confirm it
            return TheftResponse.REVOKE_SESSION
        return response

    async def _hold(self, response: TheftResponse, record: SessionRecord, reports: Drafts) -> bool:
        """Hold a session, whoever else writes it; ``False`` if somebody has held or ended it before."""
        for _ in range(ATTEMPTS):
            hold = holding.read(record.policy)
            if hold.response is not None:
                return False
            held = replace(record, policy=hold._replace(response=response).kept())
            if await self._store.replace(self._scope, held, reports):
                return True
            found, now = await self._store.get(self._scope, record.handle)
            if found is None or rotation.why_ended(found, now) is not None:
                return False
            record = found
        raise StoreUnavailable

    async def note_in_step(self, record: SessionRecord, now: int, token: RefreshToken, caller: Caller) -> None:
        """Open a case for two parties that seem to refresh in step."""
        if self._files.kept:
            name = EventName.SESSION_IN_STEP
            await self._files.extend(*self._seen(name, record, now, token, caller, _SAME_SUCCESSOR))

    async def note_refused(
        self, reason: Refusal, record: SessionRecord | None, now: int, token: RefreshToken, caller: Caller
    ) -> None:
        """Report a token that is newer than the store, and add the other party to the case of a stolen session."""
        if reason is Refusal.NEWER_THAN_STORE:
            await self.append(EventName.STORE_ROLLED_BACK, token, record, caller, reason.value)
        if self._files.kept and record is not None and reason is Refusal.THEFT:
            name = EventName.REFRESH_REFUSED
            await self._files.extend(*self._seen(name, record, now, token, caller, _REFUSED), only_known=True)

    async def append(
        self, name: EventName, token: RefreshToken, record: SessionRecord | None, caller: Caller, reason: str
    ) -> None:
        """Put an event without a change of a row into the outbox, once for each token that is presented."""
        user_id, other = (None, None) if record is None else (record.user_id, record.device)
        await self._append(name, token, user_id, self._emitter.draft(name, caller, reason=reason, other=other))

    async def _append(self, name: EventName, token: RefreshToken, user_id: str | None, reports: Drafts) -> None:
        event_id = outbox.id_of(self._scope, name, token.handle, token.hash)
        for report in reports:
            await self._store.append_event(Occurrence(self._scope, token.handle, user_id, report, event_id))

    async def _end(self, subtype: str, record: SessionRecord, token: RefreshToken, caller: Caller) -> bool:
        """End or hold a session, unless a theft is only reported; ``False`` if somebody else has done so."""
        response = self._response(record)
        drafts = self._emitter.draft(EventName.TOKEN_THEFT, caller, reason=subtype, other=record.device)
        reports = tuple(replace(each, response=response.value) for each in drafts)
        if response is TheftResponse.REPORT:
            await self._append(EventName.TOKEN_THEFT, token, record.user_id, reports)
            return True
        if response in _HOLDS:
            return await self._hold(response, record, reports)
        return bool(await self._store.end(self._scope, (record.handle,), EndReason.THEFT, reports))

    def _seen(
        self,
        name: EventName,
        record: SessionRecord,
        now: int,
        token: RefreshToken,
        caller: Caller,
        outcome: str,
        subtype: str | None = None,
    ) -> tuple[cases.Sighting, Policy]:
        first, (device, number) = about.read(record.about).device, caller
        seen = cases.Sighting(self._scope, name, record, token, device, number, now, outcome, subtype, first)
        return seen, self._policies[record.policy].rotation
