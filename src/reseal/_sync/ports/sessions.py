# Generated from src/reseal/_async/ports/sessions.py by tools/unasync.py; edit that file instead.
"""What sessions promise to the frameworks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, Unpack

from reseal._sync.ports.cases import CaseAccess
from reseal._sync.ports.limits import PolicyAccess
from reseal._sync.ports.providers import ProviderAccess
from reseal.core.access_token import Claims
from reseal.core.dpop import ProofChecker, Shown
from reseal.core.errors import Refusal
from reseal.core.events import Caller
from reseal.core.model import EndReason, SessionRecord
from reseal.core.outbox import EventPage
from reseal.core.session_policy import BeginOptions
from reseal.core.tokens import TokenPair
from reseal.devices.selection import Only
from reseal.settings import Settings


class Sessions(CaseAccess, PolicyAccess, ProviderAccess, Protocol):
    """Sessions by tokens and handles: what the frameworks are built on, here or over the network.

    Every waiting method raises ``StoreUnavailable`` where the answer is not known; that is never a logout. A user id or
    handle that is not text is ``InvalidInput`` (:mod:`reseal.core.ids`), before anything is looked up.
    """

    @property
    def settings(self) -> Settings:
        """The configuration that these sessions follow."""

    @property
    def proofs(self) -> ProofChecker:
        """What checks proofs beside access tokens (RFC 9449)."""

    def open(self) -> None:
        """Get ready. Raises ``ConfigurationError`` or ``StoreUnavailable``."""

    def close(self) -> None:
        """Release all resources."""

    def keep_fresh(self) -> None:
        """Follow changes of the key ring; cheap, to be called before ``verify``. Raises nothing."""

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token without waiting. Raises ``TryRefreshToken``."""

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Return whether an anti-CSRF token belongs to a verified access token."""

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
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        """Begin a session. Raises ``InvalidInput``, ``TooManySessions``."""

    def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = ...,
    ) -> TokenPair:
        """Exchange a refresh token; who repeats ``attempt_key`` is the same client.

        ``proof``: that of the device to which the session is bound. Raises ``Unauthorised``, of which ``ProofDemanded``
        is one, or ``TokenTheftDetected``.
        """

    def bind(self, presented: str, proof: str, *, caller: Caller = ...) -> TokenPair:
        """Bind the session of a refresh token to the key that a proof brings. Raises ``Unauthorised``."""

    def check(self, claims: Claims) -> SessionRecord:
        """Read the live session of a verified token and confirm its generation. Raises ``Unauthorised``."""

    def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        """Write a new access token with the payload of ``record``. Raises ``Unauthorised``."""

    def elevate(
        self, claims: Claims, authentication: Mapping[str, object], for_ms: int, *, caller: Caller = ...
    ) -> TokenPair:
        """Give the session of a verified token the claims of an authentication for a while, and new tokens.

        No token from before gets these claims. Raises ``InvalidInput`` or ``Unauthorised``.
        """

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

    def list_ended(self, user_id: str, within: int) -> tuple[SessionRecord, ...]:
        """Read up to a page of a user's sessions that ended within the last ms, the latest first."""

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

    def rename(self, handle: str, name: str) -> SessionRecord:
        """Name the device of a live session; an empty name takes it away. Raises ``InvalidInput``, ``Unauthorised``."""

    def revoke(self, handles: Iterable[str], reason: EndReason = ..., note: str | None = None) -> tuple[str, ...]:
        """End sessions; names those that this call ended. ``note``: the caller's own reason, which the user is told.

        Raises ``InvalidInput`` for a note that is too long or not printable.
        """

    def end_before(
        self, moment: int, *, user_id: str | None = None, all_tenants: bool = False, only: Only | None = None
    ) -> int:
        """End what was begun or refreshed before a moment (ms) for the last time; says how many sessions that were.

        Of one user, or of all; of this tenant, or of all tenants of the app; with ``only``, those that fit. Raises
        ``InvalidInput`` for a moment that is still to come.
        """

    def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but ``keep``; names those that this call ended."""

    def read_events(self, consumer: str, limit: int) -> EventPage:
        """Read up to ``limit`` events of the outbox that a consumer has not acknowledged, oldest first.

        Raises ``InvalidInput``, and ``ConfigurationError`` where the store is another process's.
        """

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        """Note that a consumer has handled everything up to a cursor. Idempotent."""
