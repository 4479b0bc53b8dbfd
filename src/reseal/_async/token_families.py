"""The token families of the sessions of one app and tenant: create, rotate, read, end.

Each call loads, decides and writes, and retries if another writer was first. Access tokens are the caller's: the engine
and the sessions of the SuperTokens interface differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from reseal._async import paging
from reseal._async.beginning import AsyncBeginning, Step
from reseal._async.binding import AsyncProving
from reseal._async.case_files import AsyncCaseFiles
from reseal._async.elevating import AsyncRenewing
from reseal._async.ports import AsyncStore
from reseal._async.thefts import AsyncThefts
from reseal.core import attempt, elevation, refresh_token, rotation, ticket
from reseal.core.confirmation import Seen
from reseal.core.dpop import Proven
from reseal.core.errors import RefreshOvertaken, Refusal, StoreUnavailable, Unauthorised
from reseal.core.events import Caller, EventName
from reseal.core.handles import new_handle
from reseal.core.model import (
    EndReason,
    Found,
    Rotation,
    Scope,
    SessionRecord,
)
from reseal.core.refresh_token import RefreshToken
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Policies
from reseal.core.ticket import Ticket
from reseal.event_emitter import EventEmitter

ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""
HANDLE_BYTES: Final = 16
"""Random bytes in a session handle."""
ADOPTED: Final = "adopted"
"""The reason in the event of a roll-back after which a family continued."""


class FamilySecrets(NamedTuple):
    """The secrets from which an app's refresh tokens are made."""

    refresh_key: bytes
    pepper: bytes
    further_peppers: tuple[bytes, ...] = ()
    """Earlier peppers, from which successors may have been derived."""


class AsyncTokenFamilies(AsyncBeginning, AsyncRenewing, AsyncProving):
    """The token families of one scope."""

    def __init__(
        self,
        scope: Scope,
        store: AsyncStore,
        policies: Policies,
        secrets: Callable[[], FamilySecrets],
        random: Callable[[int], bytes],
        emitter: EventEmitter,
        *,
        keeps_device: bool = False,
        binds: bool = False,
        theft_cases_ms: int = 0,
    ) -> None:
        self._scope = scope
        self._store = store
        self.policies = policies
        self._idle_ms = policies.default.lifetimes.idle_ms
        self._secrets = secrets
        self._random = random
        self._emitter = emitter
        self._keeps_device = keeps_device
        self._binds = binds
        self._thefts = AsyncThefts(scope, store, policies, emitter, AsyncCaseFiles(scope, store, theft_cases_ms))

    def new_token(self, handle_suffix: str = "") -> RefreshToken:
        """Mint generation 0 of a new session."""
        random = self._draw(HANDLE_BYTES + refresh_token.SECRET_BYTES)
        handle, secret = new_handle(random[:HANDLE_BYTES], handle_suffix), random[HANDLE_BYTES:]
        return refresh_token.mint(self._scope, self._secrets().refresh_key, handle, 0, secret)

    def parse(self, presented: str, caller: Caller) -> RefreshToken:
        """Read a presented token. Raises ``Unauthorised`` if it is not one of this scope."""
        try:
            return refresh_token.parse(self._scope, self._secrets().refresh_key, presented)
        except Unauthorised as error:
            raise self.refused(error.reason, None, caller) from None

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Keep the newest genuine token of each session."""
        return refresh_token.newest_of_each_family(self._scope, self._secrets().refresh_key, presented)

    def anti_csrf(self, token: RefreshToken) -> str:
        """Derive the anti-CSRF token of a generation."""
        return refresh_token.anti_csrf(self._secrets().refresh_key, token)

    async def advance(
        self, token: RefreshToken, caller: Caller, attempt_key: str | None = None, proof: str | Proven | None = None
    ) -> Step:
        """Exchange a token for its successor.

        Raises ``Unauthorised``, ``TokenTheftDetected``, ``RefreshOvertaken``, ``StoreUnavailable``.

        ``attempt_key``: proof that a retry comes from the same client; see ``attempt``. ``proof``: that of a device.
        """
        attempt_hash = None if attempt_key is None else attempt.hash_of(token, attempt_key)
        # a bound session has to be read before it is moved on: without this, the first write would be in vain
        if proof is not None and (step := await self._decide(token, caller, attempt_hash, proof)) is not None:
            return step
        for _ in range(ATTEMPTS):
            successor, following = self._next(token, caller, attempt_hash, self._idle_ms)
            reports = self._emitter.draft(EventName.SESSION_REFRESHED, caller)
            record = await self._store.rotate(self._scope, following, reports)
            if record is not None:
                self._emitter.emit_for(EventName.SESSION_REFRESHED, record, caller)
                return Step(record, successor, record.rotated_at)
            if (step := await self._decide(token, caller, attempt_hash, proof)) is not None:
                return step
        raise StoreUnavailable

    async def live(self, handle: str, *, renewed: bool = False) -> tuple[SessionRecord, int]:
        """Read a live session and the store's time. Raises ``Unauthorised`` if there is none.

        ``renewed``: with the ends that its policy sets it now, because it is about to be rotated.
        """
        record, now = await self._store.get(self._scope, handle)
        return demand_live(Found(self.policies.applied(record) if record and renewed else record, now))

    async def confirm(self, seen: Seen) -> tuple[SessionRecord, int]:
        """Do :meth:`live`, and confirm the generation if it is the current one. Raises ``SessionHeld``."""
        found = demand_live(await self._store.confirm(self._scope, seen))
        self._thefts.check(found[0])
        return found

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Return the reason for each of these sessions that has ended or never existed."""
        return ended_of(await self._store.get_many(self._scope, handles))

    async def issue_ticket(self, handle: str, generation: int, purpose: str) -> Ticket:
        """Write a ticket for a live session. Raises ``Unauthorised``."""
        _, now = await self.live(handle)
        key, nonce = self._secrets().refresh_key, self._random(ticket.NONCE_BYTES)
        return ticket.write(self._scope, key, handle, generation, purpose, nonce, until=now + ticket.LIFE)

    async def redeem_ticket(self, text: str, purpose: str) -> tuple[Ticket, SessionRecord, int]:
        """Redeem a ticket; returns it with its live session and the store's time. Raises ``Unauthorised``."""
        redeemed = ticket.parse(self._scope, self._secrets().refresh_key, purpose, text)
        record, now = await self.live(redeemed.handle)
        self._thefts.check(record)
        if redeemed.until > now + ticket.LIFE:  # written while the store's time, repaired since, was wrong
            raise Unauthorised(Refusal.TICKET)
        if not await self._store.claim(self._scope, redeemed.claim, redeemed.until):
            raise Unauthorised(Refusal.TICKET)
        return redeemed, record, now

    async def change(self, handle: str, change: Callable[[SessionRecord, int], SessionRecord]) -> SessionRecord:
        """Write what ``change`` returns for the live row and the store's time; nothing if it returns the row itself."""
        for _ in range(ATTEMPTS):
            record, now = await self.live(handle)
            changed = change(record, now)
            if changed is record:
                return record
            if await self._store.replace(self._scope, changed):
                return replace(changed, version=record.version + 1)
        raise StoreUnavailable

    async def end(self, handles: Iterable[str], reason: EndReason, note: str | None = None) -> tuple[str, ...]:
        """End sessions; names those that this call ended."""
        ended = await self._store.end(self._scope, handles, reason, self._emitter.draft_ended(reason, note), note)
        self._emitter.emit_ended(ended, None, reason, note)
        return ended

    async def end_user(self, user_id: str, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user but ``keep``; names those that this call ended."""
        reason = EndReason.USER_REVOKED
        ended = await self._store.end_user(self._scope, user_id, reason, keep, self._emitter.draft_ended(reason))
        self._emitter.emit_ended(ended, user_id, reason)
        return ended

    async def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""
        return await paging.sessions_of_user(partial(self.list_page, user_id))

    async def list_page(self, user_id: str, after: UserPlace, limit: int) -> paging.Records:
        """Read one page of these, behind ``after``."""
        return await self._store.list_user(self._scope, user_id, after, limit)

    def refused(
        self, reason: Refusal, handle: str | None, caller: Caller, record: SessionRecord | None = None
    ) -> Unauthorised:
        """Emit an event about a refusal, and return the error to raise. ``record``: the session, if it was read."""
        user_id = None if record is None else record.user_id
        name = EventName.STORE_ROLLED_BACK if reason is Refusal.NEWER_THAN_STORE else EventName.REFRESH_REFUSED
        self._emitter.emit(name, caller, session_handle=handle, user_id=user_id, reason=reason.value)
        return Unauthorised(reason, note=None if record is None else record.end_note)

    async def _decide(
        self, token: RefreshToken, caller: Caller, attempt_hash: bytes | None, proof: str | Proven | None
    ) -> Step | None:
        """Read the row, and carry out the verdict on a token that is not the current one; ``None``: try again."""
        record, now = await self._store.get(self._scope, token.handle)
        limits = self.policies[None if record is None else record.policy]
        record = record and self.policies.applied(record)
        attempt_hash = self.attempt_of(record, token, proof) or attempt_hash
        verdict = rotation.decide(record, token, now, limits.rotation, attempt_hash)
        if isinstance(verdict, rotation.Refuse):
            await self._thefts.note_refused(verdict.reason, record, now, token, caller)
            raise self.refused(verdict.reason, token.handle, caller, record)
        if record is None:
            return None
        self.demand_proof(record, token, proof, caller, now, verdict)
        return await self._follow(verdict, record, now, token, caller, attempt_hash)

    def _next(
        self, token: RefreshToken, caller: Caller, attempt_hash: bytes | None, idle_ms: int
    ) -> tuple[RefreshToken, Rotation]:
        """Make the successor of a token, and describe the step to it."""
        keys, seal = self._secrets(), self._draw(refresh_token.SEAL_BYTES)
        successor = refresh_token.successor_of(self._scope, keys.refresh_key, token, keys.pepper, seal)
        step = Rotation(
            handle=token.handle,
            presented_hash=token.hash,
            successor_hash=successor.hash,
            successor_sealed=seal,
            attempt_hash=attempt_hash,
            idle_ms=idle_ms,
            device=caller.device,
        )
        return successor, step

    async def _follow(
        self,
        verdict: rotation.Verdict,
        record: SessionRecord,
        now: int,
        token: RefreshToken,
        caller: Caller,
        attempt_hash: bytes | None,
    ) -> Step | None:
        """Carry out a verdict; ``None`` if another writer changed the row, or the token is now the current one."""
        await self._thefts.demand_free(record, now, token, caller)
        match verdict:
            case rotation.Replay():
                return await self._replay(verdict, Found(record, now), token, caller)
            case rotation.Reuse():
                raise await self._thefts.respond(verdict, record, now, token, caller, self.end_user)
            case rotation.Overtaken():
                self._emitter.emit_for(EventName.REFRESH_REFUSED, record, caller, reason=Refusal.OVERTAKEN.value)
                raise RefreshOvertaken
            case rotation.Adopt():
                return await self._continue(record, now, token, caller, attempt_hash, is_adopted=True)
            case rotation.Rotate() if record.policy is not None:
                return await self._continue(record, now, token, caller, attempt_hash, is_adopted=False)
            case rotation.Fork() if await self._store.replace(
                self._scope,
                rotation.ended(record, EndReason.FORKED, now),
                self._emitter.draft(EventName.STORE_ROLLED_BACK, caller, reason=Refusal.FORKED.value)
                + self._emitter.draft_ended(EndReason.FORKED),
            ):
                self._emitter.emit_for(EventName.STORE_ROLLED_BACK, record, caller, reason=Refusal.FORKED.value)
                self._emitter.emit_ended((record.handle,), record.user_id, EndReason.FORKED)
                raise Unauthorised(Refusal.FORKED)
        return None

    async def _continue(
        self,
        record: SessionRecord,
        now: int,
        token: RefreshToken,
        caller: Caller,
        attempt_hash: bytes | None,
        *,
        is_adopted: bool,
    ) -> Step | None:
        """Continue the family of a row that was read: one with a policy, or from a token that is newer than its row."""
        limits = self.policies[record.policy]
        successor, step = self._next(token, caller, attempt_hash, limits.lifetimes.idle_ms)
        following = rotation.adopted(elevation.withdrawn(record, -1) if is_adopted else record, token, step, now)
        reports = self._emitter.draft(EventName.STORE_ROLLED_BACK, caller, reason=ADOPTED) if is_adopted else ()
        reports += self._emitter.draft(EventName.SESSION_REFRESHED, caller)
        if not await self._store.replace(self._scope, following, reports):
            return None
        if is_adopted:
            self._emitter.emit_for(EventName.STORE_ROLLED_BACK, following, caller, reason=ADOPTED)
        self._emitter.emit_for(EventName.SESSION_REFRESHED, following, caller)
        return Step(following, successor, now)

    async def _replay(self, verdict: rotation.Replay, found: Found, token: RefreshToken, caller: Caller) -> Step | None:
        record = elevation.withdrawn(verdict.record, token.generation)
        successor = self._successor_again(record, token)
        if successor is None:
            raise self.refused(Refusal.SUCCESSOR_UNREADABLE, token.handle, caller, record)
        reports = self._emitter.draft(EventName.SESSION_REPLAYED, caller, reason=verdict.cause.value)
        if verdict.in_step:
            await self._thefts.note_in_step(record, found.now, token, caller)
            reports += self._emitter.draft(EventName.SESSION_IN_STEP, caller, other=record.device)
        if record is not found.record and not await self._store.replace(self._scope, record, reports):
            return None
        self._emitter.emit_for(EventName.SESSION_REPLAYED, record, caller, reason=verdict.cause.value)
        if verdict.in_step:
            self._emitter.emit_for(EventName.SESSION_IN_STEP, record, caller, other=record.device)
        return Step(record, successor, found.now)


def ended_of(found: Mapping[str, Found]) -> dict[str, Refusal]:
    """Return the reason for each session that has ended or never existed."""
    reasons = {
        handle: Refusal.UNKNOWN_SESSION if record is None else rotation.why_ended(record, now)
        for handle, (record, now) in found.items()
    }
    return {handle: reason for handle, reason in reasons.items() if reason is not None}


def demand_live(found: Found) -> tuple[SessionRecord, int]:
    """Return a live session and the store's time. Raises ``Unauthorised``."""
    record, now = found
    if record is None:
        raise Unauthorised(Refusal.UNKNOWN_SESSION)
    ended = rotation.why_ended(record, now)
    if ended is not None:
        raise Unauthorised(ended, note=record.end_note)
    return record, now
