"""Access tokens V1 to V5: the forms that published backend SDKs read (core interface, section 3).

V1 and V2 are three parts of padded standard base64 under a fixed header; V3, V4 and V5 are compact JWTs whose header
names a key and a version. A token is verified before its content is used. Errors carry the interface's own texts.

Like a native token, it is accepted only in its canonical form: header and claims must encode back to the same bytes.
This rejects repeated members, critical headers and every JWT that an application had signed as its own, because that
names no version: each kind of token is valid for its own purpose only.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Container
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from reseal.cdi.keys import verifying_old
from reseal.core.access_token import LEEWAY
from reseal.core.errors import GeneralError, InvalidInput, TryRefreshToken
from reseal.core.key_ring import KeyRing
from reseal.core.keys import SigningKey

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
    version: b64encode(f'{{"alg":"RS256","typ":"JWT","version":"{version}"}}'.encode()) for version in (1, 2)
}
_JWT_VERSIONS: Final = {"3": 3, "4": 4, "5": 5}
_OLD: Final = {header: version for version, header in _FIXED_HEADERS.items()}
_V3: Final = frozenset({
    "sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken",
})  # fmt: skip
PROTECTED: Final = {1: frozenset[str](), 2: frozenset[str](), 3: _V3, 4: _V3 | {"tId"}, 5: _V3 | {"tId", "rsub"}}
"""Names that an application's payload may not use, by token version."""

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_MEMBERS: Final[dict[str, Any]] = {
    "iat": _Whole,
    "exp": _Whole,
    "sub": str,  # may be empty: the interface allows users without an id
    "tId": _Text,
    "rsub": str,
    "sessionHandle": _Text,
    "refreshTokenHash1": _Text,
    "parentRefreshTokenHash1": _Text | None,
    "antiCsrfToken": _Text | None,
}
_FORMS: Final[dict[int, Any]] = {
    version: msgspec.defstruct(f"Form{version}", [each for each in _MEMBERS.items() if each[0] in PROTECTED[version]])
    for version in _JWT_VERSIONS.values()
}
"""A JWT's own members, in the order in which they are written; the application's payload follows them."""
_READERS: Final = {version: msgspec.json.Decoder(form) for version, form in _FORMS.items()}

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
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
        message = b"%b.%b" % (_FIXED_HEADERS[claims.version], b64encode(_ENCODER.encode(_old_body(claims))))
        return (b"%b.%b" % (message, b64encode(key.sign(message)))).decode()
    payload = _ENCODER.encode(_unprotected(claims.version, claims.payload))
    body = _joined(_ENCODER.encode(_own_members(claims)), payload)
    message = b"%b.%b" % (_header(key.kid, key.algorithm, claims.version), _b64url(body))
    return (b"%b.%b" % (message, _b64url(key.sign(message)))).decode()


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
    header, body, signature = _split(token)
    message = b"%b.%b" % (header, body)
    if header in _OLD:
        claims, key = _check_old(header, body, signature, message, ring, now)
    else:
        claims, key = _check_jwt(header, body, signature, message, ring, now)
    if claims.issued_ms > now + LEEWAY * 1000:
        raise TryRefreshToken(EARLY)
    return claims, key


def _check_old(
    header: bytes, body: bytes, text: bytes, message: bytes, ring: KeyRing, now: int
) -> tuple[CdiClaims, SigningKey]:
    signature = _standard(text)
    key = next((key for key in verifying_old(ring, now) if key.verify(message, signature)), None)
    if key is None:
        raise TryRefreshToken(UNVERIFIED)
    raw = _standard(body)
    claims = _from_old(_OLD[header], _object(raw))
    if _ENCODER.encode(_old_body(claims)) != raw:
        raise TryRefreshToken(OTHER_FORM)
    return claims, key


def _check_jwt(
    header: bytes, body: bytes, text: bytes, message: bytes, ring: KeyRing, now: int
) -> tuple[CdiClaims, SigningKey]:
    said = _read_header(header)
    key = ring.by_kid(said.kid, now)
    if key is None:
        raise TryRefreshToken(NO_KEY)
    if said.algorithm != key.algorithm:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - alg")
    version = _JWT_VERSIONS.get(said.version)
    if version is None:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - version")
    if header != _header(key.kid, key.algorithm, version):
        raise TryRefreshToken(OTHER_FORM)
    if not key.verify(message, _urlsafe(text)):
        raise TryRefreshToken(UNVERIFIED)
    return _read_jwt(version, _urlsafe(body), now), key


def _read_jwt(version: int, raw: bytes, now: int) -> CdiClaims:
    """Read the claims of a token whose signature is good. Its own members come first, then those of the payload."""
    try:
        own = _READERS[version].decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TryRefreshToken(_fault(version, raw, error)) from error
    start = _ENCODER.encode(own)[:-1]
    payload = b"{" + raw[len(start) :].removeprefix(b",")
    members = _object(payload) if raw.startswith(start) else {}
    if _joined(start + b"}", _ENCODER.encode(members)) != raw or not PROTECTED[version].isdisjoint(members):
        raise TryRefreshToken(OTHER_FORM)
    _check_begun(members, now)
    return CdiClaims(
        version=version,
        handle=own.sessionHandle,
        user_id=own.sub,
        recipe_user_id=own.rsub if version >= NEWEST else own.sub,
        tenant_id=own.tId if version > OLDEST_JWT else "public",
        refresh_hash=own.refreshTokenHash1,
        parent_hash=own.parentRefreshTokenHash1,
        anti_csrf=own.antiCsrfToken,
        payload=payload,
        issued_ms=own.iat * 1000,
        expires_ms=own.exp * 1000,
    )


def _fault(version: int, raw: bytes, error: Exception) -> str:
    """Name the member without which a token is none."""
    members = _object(raw)
    missing = [name for name in _CLAIM_ORDER if name in PROTECTED[version] and name not in members]
    wrong = _LAST_NAME.search(str(error))
    return f"{INCOMPLETE} {missing[0]}" if missing else f"{INCOMPLETE} {wrong[1]}" if wrong else _INVALID


def _check_begun(members: dict[str, Any], now: int) -> None:
    """Check ``nbf``, which applications may put into a payload and other JWT verifiers respect."""
    begins = members.get("nbf", 0)
    if type(begins) not in {int, float} or begins > now / 1000 + LEEWAY:
        raise TryRefreshToken(EARLY)


@lru_cache(maxsize=64)
def _header(kid: str, algorithm: str, version: int) -> bytes:
    return _b64url(_ENCODER.encode({"kid": kid, "typ": "JWT", "version": str(version), "alg": algorithm}))


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


def _own_members(claims: CdiClaims) -> Any:
    version, user_id = claims.version, claims.user_id
    place = () if version == OLDEST_JWT else (claims.tenant_id,)
    return _FORMS[version](
        claims.issued_ms // 1000,
        claims.expires_ms // 1000,
        user_id,
        *(place if version < NEWEST else (*place, claims.recipe_user_id)),
        claims.handle,
        claims.refresh_hash,
        claims.parent_hash,
        claims.anti_csrf,
    )


def _joined(first: bytes, second: bytes) -> bytes:
    """Write the members of two JSON objects, the first of which is not empty, as one."""
    return first if second == b"{}" else b"%b,%b" % (first[:-1], second[1:])


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


_CLAIM_ORDER: Final = (
    "sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken", "tId",
    "rsub",
)  # fmt: skip


_LAST_NAME: Final = re.compile(r"`(?:\$\.)?(\w+)`$")
"""The member at the end of a message about what does not fit."""


def _split(token: str) -> list[bytes]:
    if len(token) > MAX_LENGTH or not token.isascii():
        raise TryRefreshToken(_INVALID)
    text = token.encode()
    parts = text.split(b".")
    if text.translate(None, _ALPHABET) != b".." or not all(parts):
        raise TryRefreshToken(_INVALID)
    return parts


class _Header(NamedTuple):
    kid: str
    algorithm: str
    version: str


@lru_cache(maxsize=64)
def _read_header(segment: bytes) -> _Header:
    """Read a header, which nobody has to have signed; there are as many genuine ones as keys."""
    header = _object(_urlsafe(segment))
    for name in ("typ", "alg", "kid", *(("version",) if "version" in header else ())):
        if not isinstance(header.get(name), str):
            raise TryRefreshToken(f"{_JWT}JWT header missing - {name}")
    if header["typ"] != "JWT" or header.keys() - {"typ", "alg", "kid", "version"}:
        raise TryRefreshToken(f"{_JWT}JWT header mismatch - typ")
    return _Header(header["kid"], header["alg"], header.get("version", ""))


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


def _standard(text: bytes) -> bytes:
    """Decode padded base64, and accept only the canonical encoding."""
    try:
        raw = a2b_base64(text)
    except ValueError as error:
        raise TryRefreshToken(_INVALID) from error
    if b2a_base64(raw, newline=False) != text:
        raise TryRefreshToken(_INVALID)
    return raw


def _urlsafe(text: bytes) -> bytes:
    """Decode what :func:`_b64url` writes, and accept nothing else."""
    try:
        raw = a2b_base64(text.translate(_TO_STANDARD) + b"==")
    except ValueError as error:
        raise TryRefreshToken(_INVALID) from error
    if _b64url(raw) != text:
        raise TryRefreshToken(_INVALID)
    return raw


def _b64url(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_TO_URLSAFE).rstrip(b"=")
