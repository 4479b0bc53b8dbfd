# Generated from src/reseal/_async/forwarding.py by tools/unasync.py; edit that file instead.
"""Stores and sessions that pass every call on to others: bases for those that add something to some calls.

They are written out, so that the type checker compares each method with its port, and none is forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar, Unpack

from reseal._sync.forwarding_cases import ForwardingCaseCalls, ForwardingCases
from reseal._sync.forwarding_counts import ForwardingCounts
from reseal._sync.forwarding_limits import ForwardingLimits
from reseal._sync.policy_preview import ForwardingPreviews
from reseal._sync.ports import AuditStore, Sessions, Store
from reseal._sync.provider_logouts import ForwardingLogoutCalls, ForwardingLogouts
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


class ForwardingStore(ForwardingCases, ForwardingCounts, ForwardingLimits, ForwardingLogouts):
    """A store on top of ``inner``. Override :meth:`_call` to change all calls, or the methods concerned."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def audit(self) -> AuditStore:
        return self.inner.audit

    def _call(
        self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one call of the store; ``scope`` is that of the call, if it has one. Opening and closing are no calls."""
        return call(*args, **kwargs)

    def open(self) -> None:
        self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        return self._call("insert", scope, self.inner.insert, scope, new, reports)

    def get(self, scope: Scope, handle: str) -> Found:
        return self._call("get", scope, self.inner.get, scope, handle)

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        return self._call("get_many", scope, self.inner.get_many, scope, handles)

    def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        return self._call("rotate", scope, self.inner.rotate, scope, rotation, reports)

    def confirm(self, scope: Scope, seen: Seen) -> Found:
        return self._call("confirm", scope, self.inner.confirm, scope, seen)

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        return self._call("replace", scope, self.inner.replace, scope, record, reports)

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        return self._call("end", scope, self.inner.end, scope, handles, reason, reports, note)

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        return self._call("end_user", scope, self.inner.end_user, scope, user_id, reason, keep, reports)

    def append_event(self, occurrence: Occurrence) -> bool:
        return self._call("append_event", occurrence.scope, self.inner.append_event, occurrence)

    def read_events(self, consumer: str, limit: int) -> EventPage:
        return self._call("read_events", None, self.inner.read_events, consumer, limit)

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        self._call("acknowledge_events", None, self.inner.acknowledge_events, consumer, cursor)

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        return self._call("purge_events", None, self.inner.purge_events, limit, retention)

    def read_note(self, name: str) -> Note | None:
        return self._call("read_note", None, self.inner.read_note, name)

    def write_note(self, name: str, version: int, text: str) -> bool:
        return self._call("write_note", None, self.inner.write_note, name, version, text)

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        return self._call("list_user", scope, self.inner.list_user, scope, user_id, after, limit)

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        return self._call("list_ended", scope, self.inner.list_ended, scope, user_id, within, limit)

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        return self._call("list_before", None, self.inner.list_before, which, after, limit)

    def adopted(self) -> Adopted:
        return self._call("adopted", None, self.inner.adopted)

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        return self._call("claim", scope, self.inner.claim, scope, name, until)

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        return self._call("purge", None, self.inner.purge, limit, kept_ms)

    def times(self) -> Times:
        return self._call("times", None, self.inner.times)

    def repair_clock(self) -> Repaired:
        return self._call("repair_clock", None, self.inner.repair_clock)

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        return self._call("changed_tenants", None, self.inner.changed_tenants, since, limit)

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        return self._call("put_tenant", scope, self.inner.put_tenant, scope, config)

    def remove_tenant(self, scope: Scope) -> bool:
        return self._call("remove_tenant", scope, self.inner.remove_tenant, scope)

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return self._call("keys", None, self.inner.keys, app_id)

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        return self._call("add_key", None, self.inner.add_key, app_id, key)

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return self._call("replace_key", None, self.inner.replace_key, app_id, key, secret)

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        return self._call("remove_keys", None, self.inner.remove_keys, app_id, kids)


class ForwardingSessions(ForwardingCaseCalls, ForwardingPreviews, ForwardingLogoutCalls):
    """Sessions on top of ``inner``. Override the methods concerned."""

    def __init__(self, inner: Sessions) -> None:
        self.inner = inner

    @property
    def settings(self) -> Settings:
        return self.inner.settings

    @property
    def proofs(self) -> ProofChecker:
        return self.inner.proofs

    def open(self) -> None:
        self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def keep_fresh(self) -> None:
        self.inner.keep_fresh()

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        return self.inner.verify(access_token, expired_too=expired_too)

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        return self.inner.check_anti_csrf(claims, anti_csrf)

    def rotate_keys(self) -> str:
        return self.inner.rotate_keys()

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        return self.inner.newest(presented)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return self.inner.jwks()

    def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        return self.inner.create(user_id, jwt_payload, session_data, **options)

    def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        return self.inner.refresh(
            presented,
            anti_csrf=anti_csrf,
            require_anti_csrf=require_anti_csrf,
            attempt_key=attempt_key,
            proof=proof,
            caller=caller,
        )

    def bind(self, presented: str, proof: str, *, caller: Caller = NOBODY) -> TokenPair:
        return self.inner.bind(presented, proof, caller=caller)

    def check(self, claims: Claims) -> SessionRecord:
        return self.inner.check(claims)

    def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        return self.inner.reissue(claims, record)

    def elevate(
        self, claims: Claims, authentication: Mapping[str, object], for_ms: int, *, caller: Caller = NOBODY
    ) -> TokenPair:
        return self.inner.elevate(claims, authentication, for_ms, caller=caller)

    def get(self, handle: str) -> SessionRecord:
        return self.inner.get(handle)

    def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        return self.inner.why_ended(handles)

    def issue_ticket(self, claims: Claims, purpose: str) -> str:
        return self.inner.issue_ticket(claims, purpose)

    def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        return self.inner.redeem_ticket(ticket, purpose)

    def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        return self.inner.list_user(user_id)

    def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
        expected_version: int | None = None,
    ) -> SessionRecord:
        return self.inner.update(
            handle, session_data=session_data, jwt_payload=jwt_payload, seen=seen, expected_version=expected_version
        )

    def rename(self, handle: str, name: str) -> SessionRecord:
        return self.inner.rename(handle, name)

    def list_ended(self, user_id: str, within: int) -> tuple[SessionRecord, ...]:
        return self.inner.list_ended(user_id, within)

    def revoke(
        self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED, note: str | None = None
    ) -> tuple[str, ...]:
        return self.inner.revoke(handles, reason, note)

    def end_before(
        self, moment: int, *, user_id: str | None = None, all_tenants: bool = False, only: Only | None = None
    ) -> int:
        return self.inner.end_before(moment, user_id=user_id, all_tenants=all_tenants, only=only)

    def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        return self.inner.revoke_user(user_id, keep=keep)

    def read_events(self, consumer: str, limit: int) -> EventPage:
        return self.inner.read_events(consumer, limit)

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        self.inner.acknowledge_events(consumer, cursor)
