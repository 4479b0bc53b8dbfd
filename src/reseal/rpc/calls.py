"""The native interface of the service: what travels between ``Remote`` and ``/reseal/v1/…``.

One POST for each call of the port, with a JSON object that names the caller's configuration (``profile``) and the
arguments. 200 carries the outcome, 422 a ``Failure``; every other status means that the answer is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from reseal.core.access_token import Claims
from reseal.core.binding import Wish
from reseal.core.dpop import DpopRefused, Shown
from reseal.core.errors import (
    AccessTokenTooLarge,
    ConfigurationError,
    Conflict,
    InvalidInput,
    ProofDemanded,
    RefreshOvertaken,
    Refusal,
    ResealError,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import Caller, EventOutbox
from reseal.core.holding import SessionHeld
from reseal.core.model import EndReason
from reseal.core.providers import ProviderSession
from reseal.core.secret import Secret
from reseal.core.selection import PAGE, Place, UserPlace
from reseal.core.session_policy import NOTHING, Replaced, SessionPolicy, TooManySessions
from reseal.devices.selection import Only
from reseal.settings import Settings

PREFIX: Final = "/reseal/v1/"
"""Where the calls are, below the service's base path."""
CALL: Final = "reseal-call"
"""The header in which a caller numbers its call and the service says which call it answers: a reply that another call
was meant to get must never sign anybody in or out."""
REFUSED: Final = 422
"""The status of a reply that carries a ``Failure``."""
NONE: Final = Caller()


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The part of a caller's ``Settings`` that its sessions follow; the names are those of ``Settings``.

    What has a default is sent only where it differs: an older service refuses what it does not know.
    """

    api_domain: str
    app_id: str
    tenant_id: str
    access_token_validity: int
    refresh_token_validity: float
    session_absolute_timeout: float | None
    access_token_signing_algorithm: str
    access_token_signing_key_dynamic: bool
    access_token_dynamic_signing_key_update_interval: float
    issuer: str | None
    audience: str | None
    enable_anti_csrf: bool
    cookie_domain: str | None
    cookie_secure: bool | None
    access_token_path: str
    rotation_policy: str
    refresh_token_rotation_grace_period: float
    lost_response_window: float | None
    theft_response: str | None
    rollback: str
    device_list: bool = False
    policies: tuple[SessionPolicy, ...] = ()
    theft_cases: float = 0
    new_device_events: bool = False
    access_token_validity_jitter: float = 0
    device_binding: Wish = "off"
    dpop_proof_age: float = 60


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every call says, and all that ``jwks`` and ``rotate_keys`` say."""

    profile: Profile


class Create(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: str
    jwt_payload: dict[str, object]
    session_data: dict[str, object]
    caller: Caller = NONE
    lifetime_ms: Annotated[int, msgspec.Meta(gt=0)] | None = None
    policy: SessionPolicy | str | None = None
    replaced: Replaced = NOTHING
    provider: ProviderSession | None = None
    device_binding: Wish | None = None
    proof: Shown | None = None


class Refresh(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    presented: str
    anti_csrf: str | None = None
    require_anti_csrf: bool = False
    attempt_key: str | None = None
    proof: str | Shown | None = None
    caller: Caller = NONE

    def __repr__(self) -> str:
        return "Refresh()"


class Check(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    claims: Claims


class Reissue(Check, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The service reads the session itself; of ``claims`` it takes which session, generation and anti-CSRF token."""


class Get(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    handle: str


class WhyEnded(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    handles: list[str]


class IssueTicket(Check, frozen=True, forbid_unknown_fields=True, kw_only=True):
    purpose: str


class RedeemTicket(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    ticket: str
    purpose: str


class ListUser(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: str
    after: UserPlace = UserPlace()
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE)] = PAGE


class ListEnded(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: str
    within: Annotated[int, msgspec.Meta(ge=0)]
    """In ms."""


class Update(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    handle: str
    session_data: dict[str, object] | None = None
    jwt_payload: dict[str, object] | None = None
    seen: Claims | None = None
    expected_version: int | None = None


class Rename(Get, frozen=True, forbid_unknown_fields=True, kw_only=True):
    to: str


class Revoke(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    handles: list[str]
    reason: EndReason
    note: str | None = None


class RevokeUser(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: str
    keep: str | None = None


class EndBefore(Call, frozen=True, forbid_unknown_fields=True, kw_only=True):
    moment: int
    """In ms since the epoch."""
    after: Place = Place()
    user_id: str | None = None
    all_tenants: bool = False
    only: Only | None = None


class Tokens(msgspec.Struct, frozen=True):
    """A ``TokenPair``, with the session's end as a duration: the two machines need not agree on the time."""

    claims: Claims
    access_token: str
    refresh_token: str | None
    anti_csrf: str | None
    expires_in_ms: int
    persistent: bool = True
    challenge: str | None = None

    def __repr__(self) -> str:
        return f"Tokens({self.claims!r})"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An error of the tree in ``core.errors``: its name and stable code, and the facts that it carries."""

    error: str
    code: int
    reason: str = ""
    note: str | None = None
    user_id: str = ""
    session_handle: str = ""
    subtype: str = ""
    field: str = ""
    problem: str = ""
    size: int = 0
    limit: int = 0
    may_choose: bool = False
    largest: str = ""
    problems: tuple[str, ...] = ()
    challenge: str = ""


def profile_of(settings: Settings) -> Profile:
    """Take from a configuration what its sessions follow."""
    return Profile(**{name: getattr(settings, name) for name in Profile.__struct_fields__})


def settings_of(
    profile: Profile,
    secret_key: Secret | None,
    accepted_secret_keys: Secret | None = None,
    event_outbox: EventOutbox = EventOutbox.OFF,
    ended_sessions_kept: float | None = None,
) -> Settings:
    """Write the configuration of an engine for a profile. Raises ``ConfigurationError``."""
    values: dict[str, object] = {name: getattr(profile, name) for name in Profile.__struct_fields__}
    values |= {"secret_key": secret_key, "accepted_secret_keys": accepted_secret_keys, "event_outbox": event_outbox}
    values["ended_sessions_kept"] = ended_sessions_kept
    return Settings(**values, database_uri="memory:")  # type: ignore[arg-type]  # Settings checks


def failure_of(error: ResealError) -> Failure | None:
    """Write an error down, or ``None`` if it is not one that travels."""
    facts = _FACTS.get(type(error))
    if facts is None:
        return None
    members = {name: getattr(error, name) for name in facts}
    return msgspec.convert({"error": type(error).__name__, "code": error.code, **members}, Failure)


def error_of(failure: Failure) -> ResealError | None:
    """Make the error again, or ``None`` if this version does not know it."""
    kind = _KINDS.get(failure.error)
    if kind is None:
        return None
    if kind is Unauthorised:
        known = {reason.value: reason for reason in Refusal}
        return Unauthorised(known.get(failure.reason, Refusal.UNKNOWN_SESSION), note=failure.note)
    return kind(*[getattr(failure, name) for name in _FACTS[kind]])


_FACTS: Final[dict[type[ResealError], tuple[str, ...]]] = {
    Unauthorised: ("reason", "note"),
    TokenTheftDetected: ("user_id", "session_handle", "subtype"),
    AccessTokenTooLarge: ("size", "limit", "largest"),
    InvalidInput: ("field", "problem"),
    ConfigurationError: ("problems",),
    Conflict: (),
    ProofDemanded: ("challenge",),
    RefreshOvertaken: (),
    DpopRefused: ("subtype", "problem", "challenge"),
    TooManySessions: ("limit", "may_choose"),
    SessionHeld: ("reason", "user_id", "session_handle", "subtype"),
}
"""The errors that travel, each with the attributes that it is made of."""
_KINDS: Final = {kind.__name__: kind for kind in _FACTS}

Jwks = Mapping[str, list[dict[str, str]]]
