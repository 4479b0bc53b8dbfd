"""Access tokens V1 to V5: the forms that published backend SDKs read (core interface, section 3).

V1 and V2 are three parts of padded standard base64 under a fixed header; V3, V4 and V5 are compact JWTs whose header
names a key and a version. A token is verified before its content is used. Errors carry the interface's own texts.

Like a native token, it is accepted only in its canonical form: header and claims must encode back to the same bytes.
This rejects repeated members, critical headers and every JWT that an application had signed as its own, because that
names no version: each kind of token is valid for its own purpose only.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Container
from functools import lru_cache
from typing import Any, Final

import msgspec

from reseal.cdi.keys import verifying_old
from reseal.core.access_token import LEEWAY
from reseal.core.errors import GeneralError, InvalidInput, TryRefreshToken
from reseal.core.key_ring import KeyRing
from reseal.core.keys import SigningKey, b64url, signature_is_good

MAX_LENGTH: Final = 65536
"""Characters; longer text is rejected unread."""
OLDEST_JWT: Final = 3
"""Since this version tokens are ordinary JWTs."""
NEWEST: Final = 5

EXPIRED: Final = "Access token expired"
INCOMPLETE: Final = "Access token does not contain all the information. Maybe the structure has changed?"
_JWT: Final = "io.supertokens.session.jwt.JWT$JWTException: "
_INVALID: Final = f"{_JWT}Invalid JWT"
UNVERIFIED: Final = f"{_JWT}JWT verification failed"
NO_KEY: Final = f"{_JWT}Key not found"
EARLY: Final = "Access token is not valid yet"
OTHER_FORM: Final = f"{_INVALID}: not in the form in which it was written"

_FIXED_HEADERS: Final = {
    version: b64encode(f'{{"alg":"RS256","typ":"JWT","version":"{version}"}}'.encode()).decode() for version in (1, 2)
}
_JWT_VERSIONS: Final = {"3": 3, "4": 4, "5": 5}
_OLD: Final = {header: version for version, header in _FIXED_HEADERS.items()}
_V3: Final = frozenset({
    "sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken",
})  # fmt: skip
PROTECTED: Final = {1: frozenset[str](), 2: frozenset[str](), 3: _V3, 4: _V3 | {"tId"}, 5: _V3 | {"tId", "rsub"}}
"""Names that an application's payload may not use, by token version."""

_SEGMENTS: Final = re.compile(r"[A-Za-z0-9_=+/-]+(\.[A-Za-z0-9_=+/-]+){2}", re.ASCII)
_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


SESSION_MEMBERS: Final = ("sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken")
"""Members by which published SDKs recognise a session token; each SDK requires the first two."""


class ProtectedClaim(GeneralError):
    """The user payload contains protected field"""  # noqa: D400, D415 - the text that clients match has no full stop


class SessionMember(ProtectedClaim):
    """An application's own JWT could be mistaken for a session token."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The payload must not have the member '{name}': SDKs would take the JWT for a session token")


class CdiClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an access token on the wire, independent of its version. Times in ms since the epoch."""

    version: int
    handle: str
    user_id: str
    recipe_user_id: str
    tenant_id: str
    refresh_hash: str
    parent_hash: str | None
    anti_csrf: str | None
    payload: bytes
    """The application's JSON object, as text."""
    issued_ms: int
    expires_ms: int

    def __repr__(self) -> str:
        return f"CdiClaims(handle={self.handle!r}, user_id={self.user_id!r}, expires_ms={self.expires_ms})"


def check_payload(version: int, payload: bytes) -> None:
    """Raise ``ProtectedClaim`` if the application's payload uses a reserved name of a token of ``version``.

    Raises ``InvalidInput`` for an ``nbf`` with which the token would never be valid.
    """
    members = _unprotected(version, payload)
    if version >= OLDEST_JWT and type(members.get("nbf", 0)) not in {int, float}:
        raise InvalidInput("userDataInJWT", "its member 'nbf' must be a number of seconds since 1970")


def check_own(members: Container[str]) -> None:
    """Raise ``SessionMember`` if a JWT with these members could be taken for a session token."""
    name = next((name for name in SESSION_MEMBERS if name in members), None)
    if name is not None:
        raise SessionMember(name)


def mint(claims: CdiClaims, key: SigningKey) -> str:
    """Mint a token. V1 and V2 need an RS256 key.

    Raises ``ProtectedClaim`` if the application's payload would overwrite the token's own members.
    """
    if claims.version < OLDEST_JWT:
        message = f"{_FIXED_HEADERS[claims.version]}.{b64encode(_ENCODER.encode(_old_body(claims))).decode()}"
        return f"{message}.{b64encode(key.sign(message.encode())).decode()}"
    message = f"{_header(key.kid, key.algorithm, claims.version)}.{b64url(_ENCODER.encode(_jwt_body(claims)))}"
    return f"{message}.{b64url(key.sign(message.encode()))}"


def verify(token: str, ring: KeyRing, now: int, *, expired_too: bool = False) -> CdiClaims:
    """Verify a token at ``now`` (ms). Raises ``TryRefreshToken`` with the interface's text for every fault.

    ``expired_too`` accepts a genuine token after its expiry: regenerating one is not an error.
    """
    claims, _key = check(token, ring, now)
    if claims.expires_ms < now and not expired_too:
        raise TryRefreshToken(EXPIRED)
    return claims


def check(token: str, ring: KeyRing, now: int) -> tuple[CdiClaims, SigningKey]:
    """Verify a token, which may have expired; return its claims and its key. Raises ``TryRefreshToken``."""
    header, body, text = _split(token)
    message = token[: len(header) + 1 + len(body)].encode()
    if header in _OLD:
        claims, key = _check_old(header, body, text, message, ring, now)
    else:
        claims, key = _check_jwt(header, body, text, message, ring, now)
    if claims.issued_ms > now + LEEWAY * 1000:
        raise TryRefreshToken(EARLY)
    return claims, key


def _check_old(
    header: str, body: str, text: str, message: bytes, ring: KeyRing, now: int
) -> tuple[CdiClaims, SigningKey]:
    signature = _standard(text)
    key = next((key for key in verifying_old(ring, now) if signature_is_good(key.public, message, signature)), None)
    if key is None:
        raise TryRefreshToken(UNVERIFIED)
    raw = _standard(body)
    claims = _from_old(_OLD[header], _object(raw))
    _same_form(_old_body(claims), raw)
    return claims, key


def _check_jwt(
    header: str, body: str, text: str, message: bytes, ring: KeyRing, now: int
) -> tuple[CdiClaims, SigningKey]:
    names = _jwt_header(header)
    key = ring.by_kid(names["kid"], now)
    if key is None:
        raise TryRefreshToken(NO_KEY)
    if names["alg"] != key.algorithm:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - alg")
    version = _JWT_VERSIONS.get(names.get("version", ""))
    if version is None:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - version")
    if header != _header(key.kid, key.algorithm, version):
        raise TryRefreshToken(OTHER_FORM)
    if not signature_is_good(key.public, message, _urlsafe(text)):
        raise TryRefreshToken(UNVERIFIED)
    raw = _urlsafe(body)
    members = _object(raw)
    claims = _from_jwt(version, members)
    _same_form(_jwt_body(claims), raw)
    _check_begun(members, now)
    return claims, key


def _same_form(body: dict[str, Any], raw: bytes) -> None:
    if _ENCODER.encode(body) != raw:
        raise TryRefreshToken(OTHER_FORM)


def _check_begun(members: dict[str, Any], now: int) -> None:
    """Check ``nbf``, which applications may put into a payload and other JWT verifiers respect."""
    begins = members.get("nbf", 0)
    if type(begins) not in {int, float} or begins > now / 1000 + LEEWAY:
        raise TryRefreshToken(EARLY)


@lru_cache(maxsize=64)
def _header(kid: str, algorithm: str, version: int) -> str:
    return b64url(_ENCODER.encode({"kid": kid, "typ": "JWT", "version": str(version), "alg": algorithm}))


def _old_body(claims: CdiClaims) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sessionHandle": claims.handle,
        "userId": claims.user_id,
        "refreshTokenHash1": claims.refresh_hash,
    }
    if claims.parent_hash is not None:
        body["parentRefreshTokenHash1"] = claims.parent_hash
    body["userData"] = msgspec.Raw(claims.payload)
    if claims.anti_csrf is not None:
        body["antiCsrfToken"] = claims.anti_csrf
    return body | {"expiryTime": claims.expires_ms, "timeCreated": claims.issued_ms}


def _jwt_body(claims: CdiClaims) -> dict[str, Any]:
    body: dict[str, Any] = {
        "iat": claims.issued_ms // 1000,
        "exp": claims.expires_ms // 1000,
        "sub": claims.user_id,
    }
    if claims.version >= OLDEST_JWT + 1:
        body["tId"] = claims.tenant_id
    if claims.version >= NEWEST:
        body["rsub"] = claims.recipe_user_id
    body |= {
        "sessionHandle": claims.handle,
        "refreshTokenHash1": claims.refresh_hash,
        "parentRefreshTokenHash1": claims.parent_hash,
        "antiCsrfToken": claims.anti_csrf,
    }
    return body | _unprotected(claims.version, claims.payload)


def _unprotected(version: int, payload: bytes) -> dict[str, Any]:
    members = _OBJECT.decode(payload)
    if not PROTECTED[version].isdisjoint(members):
        raise ProtectedClaim
    return members


def _from_old(version: int, body: dict[str, Any]) -> CdiClaims:
    payload = body.get("userData")
    if not isinstance(payload, dict):
        raise TryRefreshToken(INCOMPLETE)
    user_id = _user_id(body, "userId")
    return CdiClaims(
        version=version,
        handle=_text(body, "sessionHandle"),
        user_id=user_id,
        recipe_user_id=user_id,
        tenant_id="public",
        refresh_hash=_text(body, "refreshTokenHash1"),
        parent_hash=_text_or_none(body, "parentRefreshTokenHash1"),
        anti_csrf=_text_or_none(body, "antiCsrfToken"),
        payload=_ENCODER.encode(payload),
        issued_ms=_whole(body, "timeCreated"),
        expires_ms=_whole(body, "expiryTime"),
    )


def _from_jwt(version: int, body: dict[str, Any]) -> CdiClaims:
    missing = next((name for name in _CLAIM_ORDER if name in PROTECTED[version] and name not in body), None)
    if missing is not None:
        raise TryRefreshToken(f"{INCOMPLETE} {missing}")
    user_id = _user_id(body, "sub")
    return CdiClaims(
        version=version,
        handle=_text(body, "sessionHandle"),
        user_id=user_id,
        recipe_user_id=_user_id(body, "rsub") if version >= NEWEST else user_id,
        tenant_id=_text(body, "tId") if version > OLDEST_JWT else "public",
        refresh_hash=_text(body, "refreshTokenHash1"),
        parent_hash=_text_or_none(body, "parentRefreshTokenHash1"),
        anti_csrf=_text_or_none(body, "antiCsrfToken"),
        payload=_ENCODER.encode({name: value for name, value in body.items() if name not in PROTECTED[version]}),
        issued_ms=_whole(body, "iat") * 1000,
        expires_ms=_whole(body, "exp") * 1000,
    )


_CLAIM_ORDER: Final = (
    "sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken", "tId",
    "rsub",
)  # fmt: skip


def _split(token: str) -> list[str]:
    if len(token) > MAX_LENGTH or _SEGMENTS.fullmatch(token) is None:
        raise TryRefreshToken(_INVALID)
    return token.split(".")


def _jwt_header(segment: str) -> dict[str, str]:
    header = _object(_urlsafe(segment))
    for name in ("typ", "alg", "kid", *(("version",) if "version" in header else ())):
        if not isinstance(header.get(name), str):
            raise TryRefreshToken(f"{_JWT}JWT header missing - {name}")
    if header["typ"] != "JWT" or header.keys() - {"typ", "alg", "kid", "version"}:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - typ")
    return header


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return _OBJECT.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TryRefreshToken(_INVALID) from error


def _text(body: dict[str, Any], name: str) -> str:
    value = _user_id(body, name)
    if not value:
        raise TryRefreshToken(f"{INCOMPLETE} {name}")
    return value


def _user_id(body: dict[str, Any], name: str) -> str:
    """Read text that may be empty: the interface allows users without an id."""
    value = body.get(name)
    if not isinstance(value, str):
        raise TryRefreshToken(f"{INCOMPLETE} {name}")
    return value


def _text_or_none(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _whole(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= 2**53:
        raise TryRefreshToken(f"{INCOMPLETE} {name}")
    return value


def _standard(text: str) -> bytes:
    return _canonical(text, b64decode, lambda raw: b64encode(raw).decode())


def _urlsafe(text: str) -> bytes:
    return _canonical(text, lambda t: urlsafe_b64decode(t + "=" * (-len(t) % 4)), b64url)


def _canonical(text: str, decode: Any, encode: Any) -> bytes:
    """Decode, and accept only the canonical encoding."""
    try:
        raw: bytes = decode(text)
    except ValueError as error:
        raise TryRefreshToken(_INVALID) from error
    if encode(raw) != text:
        raise TryRefreshToken(_INVALID)
    return raw
