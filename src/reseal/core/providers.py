"""Sessions at an identity provider, and how ours are found that began with them.

A provider names its session by issuer and ``sid``, and its user by issuer and ``sub`` (OpenID Connect). With a session
of ours only hashes of these pairs are kept: they have one length, and are found by an index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from reseal.core import base64url
from reseal.core.errors import InvalidInput

LONGEST: Final = 2048
"""Characters of an issuer, subject or session id."""
CLAIMED_FOR: Final = 600_000
"""Milliseconds for which the id of a logout token is remembered: far longer than one is valid."""
_Mark = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]


class ProviderSession(msgspec.Struct, frozen=True):
    """The claims of an ID token that name the session and the user at the identity provider."""

    iss: str
    sub: str
    sid: str | None = None


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider whose logouts are believed, and the client that the application is there."""

    issuer: str
    """Its ``iss``, to the letter."""
    client_id: str
    jwks_uri: str
    """Where it publishes its keys: https, or http on this machine."""
    algorithms: tuple[str, ...] = ("RS256",)
    """Those by which it may sign: RS256, PS256, ES256, EdDSA."""
    older_tokens: bool = False
    """Whether ``typ`` of its tokens may be absent or JWT, and ``exp`` absent: then they are valid for two minutes."""


class Marks(NamedTuple):
    """What is kept with a session."""

    user: str | None = None
    session: str | None = None


class ProviderLogout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a session at a provider, or of all sessions of a user there."""

    user: _Mark | None
    session: _Mark | None
    """``None``: all sessions of ``user``. With both, also those of ``user`` whose session is not known."""
    claim: Annotated[str, Meta(pattern="^logout [A-Za-z0-9_-]{43}$")]
    """The name under which the store records that this logout was carried out."""
    until: Annotated[int, Meta(ge=0, le=2**53)]
    """For how long it does, by the store's clock (ms)."""


class ProviderEnd(msgspec.Struct, frozen=True, order=True):
    """What became of a logout."""

    ended: tuple[str, ...] = ()
    """The handles of the sessions that it ended."""
    is_replayed: bool = False
    """The same logout was carried out before; nothing was changed."""
    is_of_another: bool = False
    """A session that it names belongs to another user; nothing was changed."""


def checked(value: object, configured: Sequence[IdentityProvider]) -> ProviderSession | None:
    """Return the argument of a sign-in. Raises ``InvalidInput``, also if no logout could ever fit it."""
    if value is None:
        return None
    if not isinstance(value, ProviderSession):
        raise InvalidInput("provider", "must be a ProviderSession with the claims iss, sub and sid of the ID token")
    for name in ("iss", "sub", "sid"):
        text = getattr(value, name)
        if (name != "sid" or text is not None) and not (isinstance(text, str) and 0 < len(text) <= LONGEST):
            raise InvalidInput("provider", f"the claim {name} must be text of 1 to {LONGEST} characters")
    if configured and value.iss not in {each.issuer for each in configured}:
        raise InvalidInput("provider", "the claim iss is none of identity_providers: write it there to the letter")
    return value


def marks(provider: ProviderSession | None) -> Marks:
    """Return what is kept with a session that began with one of a provider."""
    return Marks() if provider is None else marks_of(provider.iss, provider.sub, provider.sid)


def marks_of(issuer: str, subject: str | None, session_id: str | None) -> Marks:
    """Return by what the sessions of a subject, a session id or both are found."""
    user = None if subject is None else _digest("sub", issuer, subject)
    return Marks(user, None if session_id is None else _digest("sid", issuer, session_id))


def logout(issuer: str, subject: str | None, session_id: str | None, token_id: str, now: int) -> ProviderLogout:
    """Describe the logout of a verified token, at ``now`` (ms)."""
    claim = f"logout {_digest('jti', issuer, token_id)}"
    return ProviderLogout(*marks_of(issuer, subject, session_id), claim, now + CLAIMED_FOR)


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return base64url.encode(hashlib.sha256(text).digest())
