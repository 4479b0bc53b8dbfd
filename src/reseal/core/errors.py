"""One tree of errors.

The first line of each docstring is the error's message. The ``code`` is stable, and facts for the caller are
attributes. No text ever contains a token, a key, a cookie or a payload.

Codes: the four of the session interface (seed, "Refresh Session"), and 5000 for claim checks.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

GENERAL_ERROR: Final = 1000
UNAUTHORISED: Final = 2000
TRY_REFRESH_TOKEN: Final = 3000
TOKEN_THEFT_DETECTED: Final = 4000
INVALID_CLAIMS: Final = 5000


class Refusal(StrEnum):
    """Why a credential was refused. For logs and for the page; never a hint to an attacker."""

    NO_TOKEN = "no_token"
    NOT_SIGNED_IN = "not_signed_in"
    """The session is of a visitor, and a user's is demanded."""
    MALFORMED = "malformed"
    """Not a token of ours: its format, its MAC or its app and tenant do not fit."""
    UNKNOWN_SESSION = "unknown_session"
    EXPIRED = "expired"
    """The session was not refreshed within its idle limit."""
    ABSOLUTE_TIMEOUT = "absolute_timeout"
    """The session reached the end that refreshing cannot move."""
    REVOKED = "revoked"
    SIGNED_OUT = "signed_out"
    USER_REVOKED = "user_revoked"
    """All sessions of the user were ended."""
    REPLACED = "replaced"
    """The same browser signed in again, which ended this session."""
    THEFT = "theft"
    """The session was ended because one of its refresh tokens was used twice."""
    NOT_BEFORE = "not_before"
    """All sessions last refreshed before a given time were ended, usually because a backup was restored."""
    LIMIT = "limit"
    """The user signed in once more, and has as many sessions as the policy allows: the oldest one was ended."""
    PROVIDER_LOGOUT = "provider_logout"
    """The identity provider with which the user signed in has ended its session there."""
    FORKED = "forked"
    """The store was rolled back and two branches of the token family exist; which one is the owner's is unknown."""
    ANTI_CSRF = "anti_csrf"
    CROSS_SITE = "cross_site"
    OTHER_SESSION = "other_session"
    """None of the refresh tokens sent belongs to the session of the access token."""
    BINDING = "binding"
    """The session is bound to a device, and the caller has not shown that it is this device."""
    TICKET = "ticket"
    """Not a ticket of ours for this purpose, or already used, or expired."""
    NEWER_THAN_STORE = "newer_than_store"
    """The token is genuine but newer than the store knows: the store was rolled back, and `rollback` is `refuse`."""
    OVERTAKEN = "overtaken"
    """Several newer tokens were issued a moment ago, most likely to other tabs: the caller is told to ask again."""
    SUCCESSOR_UNREADABLE = "successor_unreadable"
    """The successor cannot be derived again: `secret_key` was changed or the row is damaged."""


class ResealError(Exception):
    """Something went wrong in the session system."""

    code: ClassVar[int] = GENERAL_ERROR

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)).splitlines()[0])  # type: ignore[union-attr]


class GeneralError(ResealError):
    """The request could not be carried out."""


class InvalidInput(GeneralError):
    """A value given by the caller is invalid; nothing was changed."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Conflict(GeneralError):
    """Another call changed this session at the same time; nothing was written, and the call may be repeated."""


class AccessTokenTooLarge(InvalidInput):
    """The access token would not fit into a cookie, so the browser would drop it silently."""

    def __init__(self, size: int, limit: int, largest: str) -> None:
        super().__init__(
            "jwt_payload",
            f"the access token would need {size} bytes as a cookie and browsers keep {limit}; "
            f"the largest member is {largest!r}: keep it in session_data instead",
        )
        self.size = size
        self.limit = limit
        self.largest = largest


class WrongMethod(GeneralError):
    """A session is refreshed or ended only by a POST request."""


class ConfigurationError(GeneralError):
    """The configuration cannot be used; every problem is listed, and nothing was started."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join((f"The configuration has {count}:", *(f"  - {p}" for p in problems))))
        self.problems = problems


class StoreUnavailable(GeneralError):
    """The session store did not answer; no user was signed out, and the same request may be sent again."""

    retry_after: ClassVar[int] = 1
    """Seconds to wait before a retry (the ``Retry-After`` of the 503)."""


class Unauthorised(ResealError):
    """The session has ended or never existed; the user has to sign in."""

    code = UNAUTHORISED

    def __init__(self, reason: Refusal, hint: str | None = None, note: str | None = None) -> None:
        super().__init__(f"unauthorised: {reason.value}")
        self.reason = reason
        self.note = note
        """Why the session was ended, in the words of whoever did it. The page is told."""
        self.hint = hint
        """Advice to the developer, where the request may have been honest. For logs and loopback only."""


class ProofDemanded(Unauthorised):
    """The session is bound to a device: sign the challenge with its key, and ask again. Nobody is signed out."""

    def __init__(self, challenge: str) -> None:
        super().__init__(Refusal.BINDING)
        self.challenge = challenge


class RefreshLater(GeneralError):
    """The browser could not refresh the session that it is bound to; nobody was signed out, try again."""

    retry_after: ClassVar[int] = 5
    """Seconds to wait before a retry (the ``Retry-After`` of the 503)."""


class RefreshOvertaken(RefreshLater):
    """Other requests of this client have refreshed the session several times meanwhile; use the newest tokens."""

    retry_after: ClassVar[int] = 1


class RefreshElsewhere(GeneralError):
    """The refresh token's cookie is sent to another path; send the same refresh there."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location
        """That path, as browsers see it."""


class TryRefreshToken(ResealError):
    """The access token cannot be used; refresh the session and repeat the request."""

    code = TRY_REFRESH_TOKEN

    def __init__(self, reason: str) -> None:
        super().__init__(f"try refresh token: {reason}")
        self.reason = reason


class TokenTheftDetected(ResealError):
    """A refresh token was used after its successor had been: two parties hold this session."""

    code = TOKEN_THEFT_DETECTED

    def __init__(self, user_id: str, session_handle: str, subtype: str) -> None:
        super().__init__()
        self.user_id = user_id
        self.session_handle = session_handle
        self.subtype = subtype
        """``previous`` (the token before the current one) or ``older``."""


class InvalidClaims(ResealError):
    """The session lacks a claim that this resource requires."""

    code = INVALID_CLAIMS

    def __init__(self, failures: tuple[ClaimFailure, ...]) -> None:
        super().__init__("invalid claim: " + ", ".join(f.id for f in failures))
        self.failures = failures
        self.challenge: str | None = None
        """What a client that is no page is told to do (RFC 9470), where another authentication would be enough."""


class ClaimFailure(NamedTuple):
    """One claim check that did not pass: its id, and a reason that may be shown to the page."""

    id: str
    reason: object


def is_error_from_auth(error: object) -> bool:
    """Return whether an exception comes from this library (the seed's ``Error.isErrorFromAuth``)."""
    return isinstance(error, ResealError)
