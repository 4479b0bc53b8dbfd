"""Logout tokens (OpenID Connect Back-Channel Logout 1.0): what one must say to be believed.

The issuer has to be known before a key can be chosen, so the claims are read first; nothing is done before the
signature has been verified as well. Texts say which rule was broken, and nothing of the token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from reseal.core import base64url
from reseal.core.errors import GeneralError
from reseal.core.providers import LONGEST, IdentityProvider

LEEWAY: Final = 30
"""Seconds by which the clocks of a provider and of this machine may differ."""
LONGEST_LIFE: Final = 120
"""Seconds for which a token may be valid."""
MAX_LENGTH: Final = 16_384
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_TYPES: Final = ("logout+jwt", "application/logout+jwt")
_OLDER_TYPES: Final = (*_TYPES, "jwt", None)
_object: Final = msgspec.json.Decoder(dict[str, Any])


class InvalidLogoutToken(GeneralError):
    """The logout token is not valid; nothing was ended."""


class LogoutToken(NamedTuple):
    """A logout token whose claims are in order, and whose signature is still to be verified."""

    provider: IdentityProvider
    algorithm: str
    kid: str | None
    message: bytes
    signature: bytes
    subject: str | None
    session_id: str | None
    token_id: str


def read(text: str, providers: Iterable[IdentityProvider], now: int) -> LogoutToken:
    """Read a token, and check all but its signature, at ``now`` (seconds). Raises ``InvalidLogoutToken``."""
    match = _SHAPE.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise InvalidLogoutToken("it is not a signed JWT")
    header, claims = _json(match[1]), _json(match[2])
    provider = _provider(claims, providers)
    _check_header(header, provider)
    _check_times(claims, provider, now)
    _check_purpose(claims)
    subject, session_id = _text(claims, "sub"), _text(claims, "sid")
    if subject is None and session_id is None:
        raise InvalidLogoutToken("it has neither sub nor sid")
    token_id = _text(claims, "jti")
    if token_id is None:
        raise InvalidLogoutToken("it has no jti")
    message, signature = text.rpartition(".")[0].encode(), base64url.decode(match[3])
    kid = _text(header, "kid")
    return LogoutToken(provider, header["alg"], kid, message, signature, subject, session_id, token_id)


def _json(part: str) -> dict[str, Any]:
    try:
        return _object.decode(base64url.decode(part))
    except (ValueError, RecursionError):
        raise InvalidLogoutToken("a part of it is not a JSON object") from None


def _provider(claims: Mapping[str, Any], providers: Iterable[IdentityProvider]) -> IdentityProvider:
    """Return the provider that issued a token, if it is for clients of ours and for no others."""
    issued = [each for each in providers if each.issuer == claims.get("iss")]
    if not issued:
        raise InvalidLogoutToken("iss is none of identity_providers")
    aud = claims.get("aud")
    audiences = [aud] if isinstance(aud, str) else aud
    clients = {each.client_id: each for each in issued}
    if not isinstance(audiences, list) or not audiences or not all(isinstance(each, str) for each in audiences):
        raise InvalidLogoutToken("aud is missing")
    if not clients.keys() >= set(audiences):
        raise InvalidLogoutToken("aud is not the client_id of the provider")
    return clients[audiences[0]]


def _check_header(header: Mapping[str, Any], provider: IdentityProvider) -> None:
    if header.get("alg") not in provider.algorithms:
        raise InvalidLogoutToken("alg is not one of the algorithms of the provider")
    if "crit" in header:
        raise InvalidLogoutToken("crit names an extension, and none is known")
    kind = header.get("typ")
    kind = kind.lower() if isinstance(kind, str) else kind
    if kind not in (_OLDER_TYPES if provider.older_tokens else _TYPES):
        raise InvalidLogoutToken("typ is not logout+jwt")


def _check_times(claims: Mapping[str, Any], provider: IdentityProvider, now: int) -> None:
    issued, ends = _time(claims, "iat"), _time(claims, "exp")
    if issued is None:
        raise InvalidLogoutToken("iat is missing")
    if issued > now + LEEWAY:
        raise InvalidLogoutToken("iat is in the future")
    if ends is None and not provider.older_tokens:
        raise InvalidLogoutToken("exp is missing")
    if ends is None:
        ends = issued + LONGEST_LIFE
    if now >= ends + LEEWAY:
        raise InvalidLogoutToken("it has expired")
    if ends > now + LONGEST_LIFE + LEEWAY:
        raise InvalidLogoutToken("exp is more than two minutes ahead")


def _check_purpose(claims: Mapping[str, Any]) -> None:
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise InvalidLogoutToken("events does not name a logout")
    if "nonce" in claims:
        raise InvalidLogoutToken("it has a nonce, as ID tokens do")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 2**53:  # NaN fails too
        raise InvalidLogoutToken(f"{name} is not a time")
    return value


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise InvalidLogoutToken(f"{name} is not a text of 1 to {LONGEST} characters")
    return value
