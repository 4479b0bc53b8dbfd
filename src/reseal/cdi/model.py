"""The values of the core-driver interface, in all its versions: an app's settings and the facts that replies show."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from reseal.core import policies
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Policy, Rollback, TheftResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """The settings of an app: its own, and those that its service makes for it. Times in ms."""

    app_id: str
    access_token_ms: int
    refresh_token_ms: int
    """Idle limit of a session."""
    absolute_ms: int | None
    """Absolute limit of a session from its creation; ``None``: there is none."""
    key_interval_ms: int
    signing_algorithm: str
    """Algorithm of access tokens that are JWTs; the older forms are always RS256."""
    dynamic_keys: bool
    blacklisting: bool
    enable_anti_csrf: bool
    grace_ms: int
    lost_response_ms: int | None
    """``None``: the default of the policy."""
    theft_response: TheftResponse | None
    """``None``: the default of each policy."""
    theft_cases_ms: int
    """For how long theft cases are kept; 0: none is written."""
    jitter: float
    reuse_is_theft: bool
    rollback: Rollback

    def policy(self, *, graceful: bool) -> Policy:
        """Return the policy for CDI 5.6, or the one for older versions."""
        if not graceful:
            return policies.classic(self.grace_ms, theft_response=self.theft_response, rollback=self.rollback)
        return policies.graceful(
            self.grace_ms,
            self.refresh_token_ms,
            lost_response_window=self.lost_response_ms,
            theft_response=self.theft_response,
            rollback=self.rollback,
        )


class SessionFacts(msgspec.Struct, frozen=True):
    """A session as shown in replies."""

    handle: str
    user_id: str
    tenant_id: str
    jwt_payload: bytes


class TokenFacts(msgspec.Struct, frozen=True):
    """A token as shown in replies. Times in ms."""

    token: str
    expiry: int
    created: int

    def __repr__(self) -> str:
        return f"TokenFacts(expiry={self.expiry})"


class Issued(msgspec.Struct, frozen=True):
    """The reply to create and refresh."""

    session: SessionFacts
    access: TokenFacts
    refresh: TokenFacts
    anti_csrf: str | None

    def __repr__(self) -> str:
        return f"Issued({self.session.handle!r})"


class Verified(msgspec.Struct, frozen=True):
    """The reply to verify and regenerate; ``access`` is a new token for the browser, if there is one."""

    session: SessionFacts
    access: TokenFacts | None = None
    payload_update_available: bool = False


class BranchRotatedOut(Unauthorised):
    """The token belongs to a branch that was rotated out; the session has to be refreshed."""

    def __init__(self) -> None:
        super().__init__(Refusal.EXPIRED)
