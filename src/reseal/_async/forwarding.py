"""Stores and sessions that pass every call on to others: bases for those that add something to some calls.

They are written out, so that the type checker compares each method with its port, and none is forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar, Unpack

from reseal._async.forwarding_cases import AsyncForwardingCaseCalls, AsyncForwardingCases
from reseal._async.forwarding_counts import AsyncForwardingCounts
from reseal._async.forwarding_limits import AsyncForwardingLimits
from reseal._async.policy_preview import AsyncForwardingPreviews
from reseal._async.ports import AsyncAuditStore, AsyncSessions, AsyncStore
from reseal._async.provider_logouts import AsyncForwardingLogoutCalls, AsyncForwardingLogouts
from reseal.core.access_token import Claims
from reseal.core.confirmation import Seen
from reseal.core.dpop import ProofChecker, Shown
from reseal.core.errors import Refusal
from reseal.core.events import NOBODY, Caller
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.notes import Note
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Reports, Retention
from reseal.core.purging import Purged
from reseal.core.selection import TENANTS_PAGE, Adopted, Before, Place, UserPlace
from reseal.core.session_policy import BeginOptions
from reseal.core.store_time import Repaired, Times
from reseal.core.tokens import TokenPair
from reseal.devices.selection import Only
from reseal.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")


class AsyncForwardingStore(AsyncForwardingCases, AsyncForwardingCounts, AsyncForwardingLimits, AsyncForwardingLogouts):
    """A store on top of ``inner``. Override :meth:`_call` to change all calls, or the methods concerned."""

    def __init__(self, inner: AsyncStore) -> None:
        self.inner = inner

    @property
    def audit(self) -> AsyncAuditStore:
        return self.inner.audit

    async def _call(
        self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one call of the store; ``scope`` is that of the call, if it has one. Opening and closing are no calls."""
        return await call(*args, **kwargs)

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        return await self._call("insert", scope, self.inner.insert, scope, new, reports)

    async def get(self, scope: Scope, handle: str) -> Found:
        return await self._call("get", scope, self.inner.get, scope, handle)

    async def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        return await self._call("get_many", scope, self.inner.get_many, scope, handles)

    async def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        return await self._call("rotate", scope, self.inner.rotate, scope, rotation, reports)

    async def confirm(self, scope: Scope, seen: Seen) -> Found:
        return await self._call("confirm", scope, self.inner.confirm, scope, seen)

    async def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        return await self._call("replace", scope, self.inner.replace, scope, record, reports)

    async def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        return await self._call("end", scope, self.inner.end, scope, handles, reason, reports, note)

    async def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        return await self._call("end_user", scope, self.inner.end_user, scope, user_id, reason, keep, reports)

    async def append_event(self, occurrence: Occurrence) -> bool:
        return await self._call("append_event", occurrence.scope, self.inner.append_event, occurrence)

    async def read_events(self, consumer: str, limit: int) -> EventPage:
        return await self._call("read_events", None, self.inner.read_events, consumer, limit)

    async def acknowledge_events(self, consumer: str, cursor: int) -> None:
        await self._call("acknowledge_events", None, self.inner.acknowledge_events, consumer, cursor)

    async def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        return await self._call("purge_events", None, self.inner.purge_events, limit, retention)

    async def read_note(self, name: str) -> Note | None:
        return await self._call("read_note", None, self.inner.read_note, name)

    async def write_note(self, name: str, version: int, text: str) -> bool:
        return await self._call("write_note", None, self.inner.write_note, name, version, text)

    async def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        return await self._call("list_user", scope, self.inner.list_user, scope, user_id, after, limit)

    async def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        return await self._call("list_ended", scope, self.inner.list_ended, scope, user_id, within, limit)

    async def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        return await self._call("list_before", None, self.inner.list_before, which, after, limit)

    async def adopted(self) -> Adopted:
        return await self._call("adopted", None, self.inner.adopted)

    async def claim(self, scope: Scope, name: str, until: int) -> bool:
        return await self._call("claim", scope, self.inner.claim, scope, name, until)

    async def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        return await self._call("purge", None, self.inner.purge, limit, kept_ms)

    async def times(self) -> Times:
        return await self._call("times", None, self.inner.times)

    async def repair_clock(self) -> Repaired:
        return await self._call("repair_clock", None, self.inner.repair_clock)

    async def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        return await self._call("changed_tenants", None, self.inner.changed_tenants, since, limit)

    async def put_tenant(self, scope: Scope, config: bytes) -> bool:
        return await self._call("put_tenant", scope, self.inner.put_tenant, scope, config)

    async def remove_tenant(self, scope: Scope) -> bool:
        return await self._call("remove_tenant", scope, self.inner.remove_tenant, scope)

    async def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return await self._call("keys", None, self.inner.keys, app_id)

    async def add_key(self, app_id: str, key: StoredKey) -> bool:
        return await self._call("add_key", None, self.inner.add_key, app_id, key)

    async def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return await self._call("replace_key", None, self.inner.replace_key, app_id, key, secret)

    async def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        return await self._call("remove_keys", None, self.inner.remove_keys, app_id, kids)


class AsyncForwardingSessions(AsyncForwardingCaseCalls, AsyncForwardingPreviews, AsyncForwardingLogoutCalls):
    """Sessions on top of ``inner``. Override the methods concerned."""

    def __init__(self, inner: AsyncSessions) -> None:
        self.inner = inner

    @property
    def settings(self) -> Settings:
        return self.inner.settings

    @property
    def proofs(self) -> ProofChecker:
        return self.inner.proofs

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def keep_fresh(self) -> None:
        await self.inner.keep_fresh()

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        return self.inner.verify(access_token, expired_too=expired_too)

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        return self.inner.check_anti_csrf(claims, anti_csrf)

    async def rotate_keys(self) -> str:
        return await self.inner.rotate_keys()

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        return self.inner.newest(presented)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return self.inner.jwks()

    async def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        return await self.inner.create(user_id, jwt_payload, session_data, **options)

    async def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        return await self.inner.refresh(
            presented,
            anti_csrf=anti_csrf,
            require_anti_csrf=require_anti_csrf,
            attempt_key=attempt_key,
            proof=proof,
            caller=caller,
        )

    async def bind(self, presented: str, proof: str, *, caller: Caller = NOBODY) -> TokenPair:
        return await self.inner.bind(presented, proof, caller=caller)

    async def check(self, claims: Claims) -> SessionRecord:
        return await self.inner.check(claims)

    async def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        return await self.inner.reissue(claims, record)

    async def elevate(
        self, claims: Claims, authentication: Mapping[str, object], for_ms: int, *, caller: Caller = NOBODY
    ) -> TokenPair:
        return await self.inner.elevate(claims, authentication, for_ms, caller=caller)

    async def get(self, handle: str) -> SessionRecord:
        return await self.inner.get(handle)

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        return await self.inner.why_ended(handles)

    async def issue_ticket(self, claims: Claims, purpose: str) -> str:
        return await self.inner.issue_ticket(claims, purpose)

    async def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        return await self.inner.redeem_ticket(ticket, purpose)

    async def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        return await self.inner.list_user(user_id)

    async def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
        expected_version: int | None = None,
    ) -> SessionRecord:
        return await self.inner.update(
            handle, session_data=session_data, jwt_payload=jwt_payload, seen=seen, expected_version=expected_version
        )

    async def rename(self, handle: str, name: str) -> SessionRecord:
        return await self.inner.rename(handle, name)

    async def list_ended(self, user_id: str, within: int) -> tuple[SessionRecord, ...]:
        return await self.inner.list_ended(user_id, within)

    async def revoke(
        self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED, note: str | None = None
    ) -> tuple[str, ...]:
        return await self.inner.revoke(handles, reason, note)

    async def end_before(
        self, moment: int, *, user_id: str | None = None, all_tenants: bool = False, only: Only | None = None
    ) -> int:
        return await self.inner.end_before(moment, user_id=user_id, all_tenants=all_tenants, only=only)

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        return await self.inner.revoke_user(user_id, keep=keep)

    async def read_events(self, consumer: str, limit: int) -> EventPage:
        return await self.inner.read_events(consumer, limit)

    async def acknowledge_events(self, consumer: str, cursor: int) -> None:
        await self.inner.acknowledge_events(consumer, cursor)
