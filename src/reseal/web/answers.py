"""Errors as the page sees them: status, body and headers (FDI, section 5.3), and whether cookies are cleared.

Bodies hold fixed texts, and on a developer's own machine a hint. A reason is shown if it helps the user ("you were
signed out elsewhere") and left out where it would show an attacker how far a forged credential got.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reseal.core.dpop import DpopRefused
from reseal.core.errors import (
    Conflict,
    InvalidClaims,
    InvalidInput,
    RefreshElsewhere,
    RefreshLater,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
)
from reseal.core.holding import SessionHeld
from reseal.core.session_policy import TooManySessions

if TYPE_CHECKING:
    from reseal.settings import Settings

_UNSAID: Final = frozenset(
    {
        Refusal.MALFORMED,
        Refusal.UNKNOWN_SESSION,
        Refusal.ANTI_CSRF,
        Refusal.CROSS_SITE,
        Refusal.OTHER_SESSION,
        Refusal.BINDING,
        Refusal.TICKET,
        Refusal.NEWER_THAN_STORE,
        Refusal.FORKED,
        Refusal.OVERTAKEN,
        Refusal.SUCCESSOR_UNREADABLE,
    }
)
_UNAVAILABLE: Final = "session store unavailable, try again"
_KEEPS_COOKIES: Final = frozenset(
    {
        Refusal.NO_TOKEN,  # a refresh in progress may just have set them
        Refusal.NOT_SIGNED_IN,  # the visitor keeps what the session holds
        Refusal.ANTI_CSRF,  # a foreign page must not be able to sign a user out
        Refusal.CROSS_SITE,
        Refusal.OTHER_SESSION,  # the access cookie distinguishes the planted one from the user's own
        Refusal.BINDING,  # whoever comes without the key must not be able to sign the owner out
        Refusal.TICKET,
        Refusal.OVERTAKEN,
        Refusal.REPLACED,  # the browser already holds those of its new session
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A framework-independent response. The body is sent as JSON."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


def answer(error: ResealError, settings: Settings) -> Answer:
    """Translate an error for the browser. Cookies and cache headers are added by the caller."""
    match error:
        case TryRefreshToken() | Unauthorised() | TokenTheftDetected():
            is_visitor = isinstance(error, Unauthorised) and error.reason is Refusal.NOT_SIGNED_IN
            status = 403 if is_visitor else settings.session_expired_status_code  # no refresh brings a user
            said = _ended(error) | _hint(error, settings)
            # as RFC 9449 has it; its headers are here for answers that those of the session do not reach
            return Answer(401, said, error.headers) if isinstance(error, DpopRefused) else Answer(status, said)
        case InvalidClaims():
            return _claims(error)
        case StoreUnavailable() | RefreshLater():
            retry = (("Retry-After", str(error.retry_after)),)
            return Answer(503, {"message": _UNAVAILABLE if isinstance(error, StoreUnavailable) else str(error)}, retry)
        case RefreshElsewhere() | WrongMethod():
            return _directed(error)
        case SessionHeld() | InvalidInput() | Conflict() | TooManySessions():
            return _rejected(error)
        case _:
            return Answer(500, {"message": "internal error"})


def clears_session(error: ResealError) -> bool:
    """Return whether the response must clear the browser's cookies."""
    if isinstance(error, Unauthorised):
        return error.reason not in _KEEPS_COOKIES
    return isinstance(error, TokenTheftDetected)


def _directed(error: RefreshElsewhere | WrongMethod) -> Answer:
    if isinstance(error, RefreshElsewhere):
        return Answer(307, {"message": str(error)}, (("Location", error.location),))
    return Answer(405, {"message": str(error)}, (("Allow", "POST"),))


def _rejected(error: SessionHeld | InvalidInput | Conflict | TooManySessions) -> Answer:
    if isinstance(error, SessionHeld):  # a status that no browser SDK takes for the end of the session
        return Answer(403, {"message": "session held", "reason": error.reason})
    return Answer(400 if isinstance(error, InvalidInput) else 409, {"message": str(error)})


def _ended(error: TryRefreshToken | Unauthorised | TokenTheftDetected) -> dict[str, Any]:
    match error:
        case TryRefreshToken():
            return {"message": "try refresh token"}
        case TokenTheftDetected():
            return {"message": "token theft detected"}
        case Unauthorised(reason=reason) if reason not in _UNSAID:
            said = {"message": "unauthorised", "reason": reason.value}
            return said if error.note is None else said | {"note": error.note}
    return {"message": "unauthorised"}


def _hint(error: ResealError, settings: Settings) -> dict[str, Any]:
    """Return advice for the developer, on loopback only, where the caller can read the log anyway."""
    hint = getattr(error, "hint", None)
    return {"hint": hint} if hint and settings.is_local else {}


def _claims(error: InvalidClaims) -> Answer:
    failures = [{"id": failure.id, "reason": failure.reason} for failure in error.failures]
    body = {"message": "invalid claim", "claimValidationErrors": failures}
    if error.challenge is None:
        return Answer(403, body)
    return Answer(401, body, (("WWW-Authenticate", error.challenge),))
