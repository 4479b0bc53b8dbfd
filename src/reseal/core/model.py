"""The domain's values: frozen, without I/O. Times are integer milliseconds since the epoch."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

USER_ID_MAX: Final = 512
"""Longest user id, in characters."""
USER_AGENT_MAX: Final = 512
"""Longest user agent that is kept, in characters."""
ADDRESS_MAX: Final = 64
"""Longest client address that is kept, in characters: enough for IPv6 with a zone."""
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that could break a log line or cannot be stored as UTF-8."""


class Scope(NamedTuple):
    """An app and tenant. Every row and every token belongs to exactly one of each."""

    app_id: str = "public"
    tenant_id: str = "public"


class Device(NamedTuple):
    """The origin of a request, as evidence. Neither member is ever used to decide on identity."""

    ip: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, ip: str | None, user_agent: str | None) -> Device:
        """Make one from untrusted text: unprintable characters are removed, and the length is bounded."""
        return cls(_evidence(ip, ADDRESS_MAX), _evidence(user_agent, USER_AGENT_MAX))


class EndReason(StrEnum):
    """Why a session ended before its time. The values are those of :class:`reseal.core.errors.Refusal`."""

    REVOKED = "revoked"
    SIGNED_OUT = "signed_out"
    USER_REVOKED = "user_revoked"
    REPLACED = "replaced"
    THEFT = "theft"
    FORKED = "forked"
    NOT_BEFORE = "not_before"
    LIMIT = "limit"
    PROVIDER_LOGOUT = "provider_logout"


class TheftResponse(StrEnum):
    """The response to a reused refresh token."""

    REPORT = "report"
    REVOKE_SESSION = "revoke_session"
    REVOKE_USER = "revoke_user"
    HOLD = "hold"
    STEP_UP = "step_up"


class Rollback(StrEnum):
    """How a genuine token that is newer than the store is treated: the store must have been rolled back."""

    ADOPT = "adopt"
    REFUSE = "refuse"


class Discreet(msgspec.Struct, frozen=True, gc=False):
    """A value whose ``repr`` leaves out the fields in ``HIDDEN``. Holds no cycles, so the collector need not look."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.HIDDEN]


class Policy(msgspec.Struct, frozen=True, gc=False):
    """How the previous refresh token is treated (the table of ``rotation``). Milliseconds."""

    race_window: int
    lost_response_window: int | None
    """``None``: until the session expires. 0: no grace for unconfirmed successors."""
    theft_response: TheftResponse
    confirm_by_verify: bool
    """Mark the access token of a refresh, so that its first use reaches the store and confirms the generation."""
    rollback: Rollback = Rollback.ADOPT


class NewSession(Discreet, frozen=True, kw_only=True, gc=False):
    """The input to a store that creates a session. The store adds the times by its own clock."""

    HIDDEN = frozenset({"token_hash", "jwt_payload", "session_data"})

    handle: str
    user_id: str
    token_hash: bytes
    idle_ms: int
    absolute_ms: int | None
    jwt_payload: bytes
    """A JSON object as UTF-8 text, stored and signed byte for byte."""
    session_data: bytes
    device: Device
    use_static_key: bool = False
    about: str | None = None
    """What :mod:`reseal.devices.about` keeps of its beginning, if that is wanted."""
    policy: str | None = None
    """What it keeps of its policy: see :mod:`reseal.core.session_policy`."""


class Rotation(Discreet, frozen=True, kw_only=True, gc=False):
    """One rotation of the token family. It happens only if the presented token's hash is still current."""

    HIDDEN = frozenset({"presented_hash", "successor_hash", "successor_sealed", "attempt_hash"})

    handle: str
    presented_hash: bytes
    successor_hash: bytes
    successor_sealed: bytes
    attempt_hash: bytes | None = None
    """Hash of the attempt key that came with the presented token (see ``attempt``)."""
    idle_ms: int
    device: Device


class SessionRecord(Discreet, frozen=True, kw_only=True, gc=False):
    """A session as stored. Nothing in it can be presented as a credential."""

    HIDDEN = frozenset(
        {"current_hash", "previous_hash", "successor_sealed", "attempt_hash", "jwt_payload", "session_data"}
    )

    handle: str
    user_id: str
    created_at: int
    expires_at: int
    """The idle expiry: moves with each rotation, never past ``absolute_expires_at``."""
    absolute_expires_at: int | None
    generation: int
    current_hash: bytes
    previous_hash: bytes | None
    successor_sealed: bytes | None
    rotated_at: int
    confirmed_at: int | None
    """When the current generation was first seen in use."""
    attempt_hash: bytes | None
    """Hash of the attempt key with which the current generation was made."""
    replayed: int
    """Register (see ``register``) of the generations that were replayed, for any reason."""
    collided: int
    """Register of those replayed outside the race window to a client without the matching attempt key."""
    estranged: int
    """Those of ``collided`` in which the attempt keys showed a different client."""
    jwt_payload: bytes
    session_data: bytes
    use_static_key: bool
    device: Device
    last_seen_at: int
    ended_at: int | None
    end_reason: EndReason | None
    version: int
    """Counts the writes to this row; ``replace`` succeeds only on the version it read."""
    about: str | None = None
    """What only the list of devices needs: see :mod:`reseal.devices.about`."""
    end_note: str | None = None
    """Why it was ended, in the words of whoever did it."""
    policy: str | None = None
    """What must be known before it is moved on (:mod:`reseal.core.session_policy`); ``None``: the settings say it."""


class Found(NamedTuple):
    """A row, or its absence, with the store's time at which it was read."""

    record: SessionRecord | None
    now: int


class StoredTenant(NamedTuple):
    """A tenant of an app as stored; the app itself is its tenant ``public``."""

    scope: Scope
    config: bytes
    """A JSON object as text."""
    created_at: int = 0


class TenantChanges(NamedTuple):
    """Changes to apps and tenants between two revisions."""

    revision: int
    """The changes are complete up to this revision; later ones may be included."""
    since: int
    """The revision from which the changes are counted; 0: these are all the tenants."""
    there: tuple[StoredTenant, ...]
    """New and changed tenants, oldest first."""
    gone: tuple[Scope, ...] = ()
    more: bool = False
    """Whether there are later changes, to be read from ``revision`` on."""


class StoredKey(NamedTuple):
    """A key of an app as stored."""

    kid: str
    algorithm: str
    """``ES256``, ``RS256``, ``EdDSA`` for signing keys; ``HS256`` for the refresh key."""
    secret: bytes
    """PKCS #8 DER or raw bytes, wrapped under the key-encryption key if there is one."""
    created_at: int
    signs_from: int

    def __repr__(self) -> str:
        return f"StoredKey(kid={self.kid!r}, algorithm={self.algorithm!r})"


def printable(text: str) -> str:
    """Return text without the characters that could break a log line or cannot be stored."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("", text)


def _evidence(text: str | None, longest: int) -> str | None:
    if text is None or (0 < len(text) <= longest and text.isascii() and text.isprintable()):
        return text
    return printable(text[: 2 * longest])[:longest] or None
