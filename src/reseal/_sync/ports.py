# Generated from src/reseal/_async/ports.py by tools/unasync.py; edit that file instead.
"""The ports: what a store promises, and what sessions promise to the frameworks.

A store remembers and decides nothing. No transaction, lock or callback crosses the port; where two writers
could meet, the write is conditional and says whether it happened. Every method raises ``StoreUnavailable`` if the
store did not answer or did not make the write durable; then nothing, or everything, of that call was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from reseal.core.access_token import Claims
from reseal.core.errors import Refusal
from reseal.core.events import Caller
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.purging import Backlog, Purged
from reseal.core.selection import Adopted, Before, Place
from reseal.core.store_time import Repaired, Times
from reseal.core.tokens import TokenPair
from reseal.settings import Settings


class Store(Protocol):
    """Where sessions and keys live. Times are the store's own, in ms, and never go back."""

    def open(self) -> None:
        """Get ready: connect, check durability, bring the schema up to date.

        Raises ``ConfigurationError`` if the store cannot be used as configured.
        """

    def close(self) -> None:
        """Let go of everything. Writes that were acknowledged stay."""

    def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        """Begin a session of generation 0. ``None`` if the handle is taken: nothing was changed."""

    def get(self, scope: Scope, handle: str) -> Found:
        """Read a session, ended and expired ones too. An absent one is ``Found(None, now)``."""

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        """Read several sessions at once. Every handle is in the answer, an absent session as ``Found(None, now)``."""

    def rotate(self, scope: Scope, rotation: Rotation) -> SessionRecord | None:
        """Advance the line by one generation if the session is live and ``presented_hash`` is still current.

        The idle end moves to now + ``idle_ms``, not past the absolute end; the successor is unconfirmed. Of any
        number of callers with the same token exactly one gets the new row; the others get ``None``.
        """

    def replace(self, scope: Scope, record: SessionRecord) -> bool:
        """Write a changed row if its ``version`` is still the one that was read, and count the version up.

        ``False`` if somebody else has written since, or the row is gone: nothing was changed.
        """

    def end(self, scope: Scope, handles: Iterable[str], reason: EndReason) -> tuple[str, ...]:
        """End these sessions and name those that this call ended; absent and ended ones are left out."""

    def end_user(self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user but ``keep``, and name those that this call ended."""

    def list_user(self, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
        """Read the live sessions of a user, oldest first. User ids match byte for byte."""

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        """Read up to ``limit`` of these sessions, in the order of tenant and handle, those behind ``after``."""

    def adopted(self) -> Adopted:
        """Count the sessions that went on from a token newer than the store: :meth:`replace` moved their generation."""

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        """Claim a name until ``until`` (ms). Of any number of callers the first gets it; the others get ``False``.

        When its time is over the claim is forgotten, and the name free again. If ``until`` has passed already, the
        answer is ``False``. ``name`` is printable ASCII.
        """

    def purge(self, limit: int) -> Purged:
        """Look at up to ``limit`` sessions that are due, in that order, and remove those long past their end.

        A session is due a day after its end, and once a week at least. Whoever calls again at once while ``looked_at``
        is ``limit`` has nothing left to do, whatever came meanwhile. Each call is short, whatever the number of rows.
        Up to ``limit`` forgotten claims go as well; they count as looked at.
        """

    def backlog(self) -> Backlog:
        """Count the sessions that are due to be looked at by :meth:`purge`. Short, whatever the number of rows."""

    def times(self) -> Times:
        """Read the store's time, and the clock that it follows."""

    def repair_clock(self) -> Repaired:
        """Set the store's time to the clock that it follows, also back, for all processes; nothing stays in the future.

        For those who look after a store whose clock was wrong and is right again. Sessions that a fast clock seemed to
        end are live again, if they were not ended by anything else.
        """

    def changed_tenants(self, since: int = 0) -> TenantChanges:
        """Read which tenants of which apps were put or removed since a revision; all of them since 0.

        Where nothing has changed this costs one short question, however many tenants there are. A revision that the
        store has not reached, because an older state was restored, counts as 0.
        """

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        """Create a tenant, or replace its configuration; a new revision. Says whether it was created."""

    def remove_tenant(self, scope: Scope) -> bool:
        """Forget a tenant and its sessions; with the tenant ``public`` also the app's keys. Says if it was there.

        It is a new revision if it was there.
        """

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        """Read all keys of an app."""

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        """Add a key. ``False`` if its ``kid`` is taken: the key that was there first stays."""

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        """Put another secret in the place of a key's, if it is still the one that was read."""

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        """Forget keys; absent ones are left out."""


class Sessions(Protocol):
    """Sessions by tokens and handles: what the frameworks are built on, here or over the network.

    Every waiting method raises ``StoreUnavailable`` where the answer is not known; that is never a logout. A user id or
    handle that is not text is ``InvalidInput`` (:mod:`reseal.core.ids`), before anything is looked up.
    """

    @property
    def settings(self) -> Settings:
        """The configuration that these sessions follow."""

    def open(self) -> None:
        """Get ready. Raises ``ConfigurationError`` or ``StoreUnavailable``."""

    def close(self) -> None:
        """Let go of everything."""

    def keep_fresh(self) -> None:
        """Follow changes of the key ring; cheap, to be called before ``verify``. Raises nothing."""

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token without waiting. Raises ``TryRefreshToken``."""

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Say whether an anti-CSRF token belongs to a verified access token."""

    def rotate_keys(self) -> str:
        """Publish a new signing key, which signs after the publication lead. Gives its ``kid``."""

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Keep the newest genuine refresh token of each session."""

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Publish the public keys (RFC 7517)."""

    def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        caller: Caller = ...,
        lifetime_ms: int | None = None,
    ) -> TokenPair:
        """Begin a session, which ends after ``lifetime_ms`` at the latest. Raises ``InvalidInput``."""

    def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        caller: Caller = ...,
    ) -> TokenPair:
        """Exchange a refresh token; who repeats ``attempt_key`` is the same client.

        Raises ``Unauthorised`` or ``TokenTheftDetected``.
        """

    def check(self, claims: Claims) -> SessionRecord:
        """Read the live session of a verified token and confirm its generation. Raises ``Unauthorised``."""

    def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        """Write a new access token with the payload of ``record``. Raises ``Unauthorised``."""

    def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised``."""

    def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Of these sessions, name those that are over, or were never there, each with the reason."""

    def issue_ticket(self, claims: Claims, purpose: str) -> str:
        """Write a ticket for the session of a verified token: good once, for this purpose, for 30 seconds.

        Raises ``Unauthorised`` if the session is not live.
        """

    def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        """Exchange a ticket for an access token of its session and generation. It does not count as confirmed.

        Of any number of callers, in any number of processes, one gets it. Raises ``Unauthorised``.
        """

    def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""

    def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
        expected_version: int | None = None,
    ) -> SessionRecord:
        """Replace session data or JWT payload. Raises ``InvalidInput`` or ``Unauthorised``.

        ``expected_version``: the ``version`` of the record that the new values were made from; if another write came
        in between, nothing is changed. Raises ``Conflict`` then.
        """

    def revoke(self, handles: Iterable[str], reason: EndReason = ...) -> tuple[str, ...]:
        """End sessions; names those that this call ended."""

    def end_before(self, moment: int, *, user_id: str | None = None, all_tenants: bool = False) -> int:
        """End what was begun or refreshed before a moment (ms) for the last time; says how many sessions that were.

        Of one user, or of all; of this tenant, or of all tenants of the app. Raises ``InvalidInput`` for a moment that
        is still to come.
        """

    def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but ``keep``; names those that this call ended."""
