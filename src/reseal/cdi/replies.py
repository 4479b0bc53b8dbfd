"""The replies of each version of the interface (core interface, sections 2.4 to 2.8). Absent values are left out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from reseal.cdi.model import SessionFacts, TokenFacts
from reseal.cdi.versions import Version

OK: Final = "OK"
V2_0: Final = Version(2, 0)
V2_2: Final = Version(2, 2)
V2_4: Final = Version(2, 4)
V2_6: Final = Version(2, 6)
V2_9: Final = Version(2, 9)
V2_21: Final = Version(2, 21)
V3_0: Final = Version(3, 0)
V4_0: Final = Version(4, 0)

SESSION_GONE: Final = "Session does not exist."
REFRESH_GONE: Final = "Session missing in db or has expired"
PROMOTION_GONE: Final = "Session missing in db"
BLACKLISTED: Final = "Either the session has ended or has been blacklisted"
ANTI_CSRF_WRONG: Final = "Anti CSRF token missing, or not matching"
UNKNOWN_OPAQUE: Final = "Refresh token not found in database. Please create a new session."
_FORMAT: Final = "io.supertokens.session.refreshToken.RefreshToken$InvalidRefreshTokenFormatException: "
_REFRESH_PARTS: Final = 3
ROTATED_OUT: Final = "rotated-out token branch; refresh required"
REUSED: Final = "refresh token reuse detected"


def not_a_refresh_token(text: str) -> str:
    """Return the error text for a malformed refresh token, by the version that it claims to be of."""
    *parts, version = text.split(".")
    match version:
        case "V0":
            return UNKNOWN_OPAQUE
        case "V1" | "V2" if len(parts) + 1 != _REFRESH_PARTS:
            return f"{_FORMAT}Refresh token split with dot yielded an array of length: {len(parts) + 1}"
        case "V1" | "V2":
            return f"{_FORMAT}Invalid refresh token"
        case _:
            return f"{_FORMAT}version of refresh token not recognised"


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieFacts:
    """The cookie attributes that interfaces below CDI 2.4 sent to their SDKs."""

    domain: str | None
    secure: bool
    same_site: str
    access_path: str
    refresh_path: str
    session_expired_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """The public keys that interfaces below 2.21 include in their replies. Times in ms."""

    public_key: str
    expires_at: int
    entries: tuple[tuple[str, int, int], ...]
    """Public key, expiry and creation time; newest first."""


def session(version: Version, facts: SessionFacts) -> dict[str, Any]:
    """Return the session part of a reply."""
    payload = msgspec.Raw(facts.jwt_payload)
    if version < V3_0:
        return {"handle": facts.handle, "userId": facts.user_id, "userDataInJWT": payload}
    own = {"recipeUserId": facts.user_id} if version >= V4_0 else {}
    return {
        "handle": facts.handle,
        "userId": facts.user_id,
        **own,
        "userDataInJWT": payload,
        "tenantId": facts.tenant_id,
    }


def token(version: Version, facts: TokenFacts, cookies: CookieFacts, path: str) -> dict[str, Any]:
    """Return the token part of a reply, with the cookie attributes of versions below 2.4."""
    shown: dict[str, Any] = {"token": facts.token, "expiry": facts.expiry, "createdTime": facts.created}
    return shown if version >= V2_4 else shown | cookie_attributes(version, cookies, path)


def cookie_attributes(version: Version, cookies: CookieFacts, path: str) -> dict[str, Any]:
    if version >= V2_4:
        return {}
    shown: dict[str, Any] = {"cookiePath": path, "cookieSecure": cookies.secure}
    if cookies.domain is not None or version < V2_2:
        shown["domain"] = cookies.domain or "localhost"
    if version >= V2_0:
        shown["sameSite"] = cookies.same_site
    return shown


def id_refresh_token(
    version: Version, random: bytes, expiry: int, created: int, cookies: CookieFacts
) -> dict[str, Any]:
    """Return the marker that browsers kept until interface 2.20. It is never checked. ``random``: 16 bytes."""
    text = str(uuid.UUID(bytes=random, version=4))
    shown: dict[str, Any] = {"token": text, "expiry": expiry, "createdTime": created}
    return shown | (cookie_attributes(version, cookies, cookies.access_path) if version >= V2_0 else {})


def keys(version: Version, facts: KeyFacts) -> dict[str, Any]:
    """Return the signing keys for versions below 2.21."""
    if version >= V2_21:
        return {}
    shown: dict[str, Any] = {
        "jwtSigningPublicKey": facts.public_key,
        "jwtSigningPublicKeyExpiryTime": facts.expires_at,
    }
    if version >= V2_9:
        shown["jwtSigningPublicKeyList"] = [
            {"publicKey": key, "expiryTime": expires_at, "createdAt": created_at}
            for key, expires_at, created_at in facts.entries
        ]
    return shown


def handshake(
    version: Version,
    facts: KeyFacts,
    cookies: CookieFacts,
    *,
    enable_anti_csrf: bool,
    blacklisting: bool,
    access_ms: int,
    refresh_ms: int,
) -> dict[str, Any]:
    """Return the reply to an SDK's start-up call."""
    shown: dict[str, Any] = {"status": OK} | keys(version, facts)
    if version < V2_4:
        if cookies.domain is not None or version < V2_2:
            shown["cookieDomain"] = cookies.domain or "localhost"
        shown |= {
            "cookieSecure": cookies.secure,
            "accessTokenPath": cookies.access_path,
            "refreshTokenPath": cookies.refresh_path,
        }
    if version < V2_6:
        shown["enableAntiCsrf"] = enable_anti_csrf
    shown["accessTokenBlacklistingEnabled"] = blacklisting
    if V2_0 <= version < V2_4:
        shown |= {
            "cookieSameSite": cookies.same_site,
            "idRefreshTokenPath": cookies.access_path,
            "sessionExpiredStatusCode": cookies.session_expired_status,
        }
    if version >= V2_4:
        shown |= {"accessTokenValidity": access_ms, "refreshTokenValidity": refresh_ms}
    return shown


def refused(status: str, message: str) -> dict[str, Any]:
    """Return the reply for a missing session, or for one that must be refreshed."""
    return {"status": status, "message": message}


def theft(handle: str, user_id: str) -> dict[str, Any]:
    """Return the reply for a theft. All versions include the login method's user id; old SDKs ignore it."""
    return {
        "status": "TOKEN_THEFT_DETECTED",
        "session": {"handle": handle, "userId": user_id, "recipeUserId": user_id},
    }


def revoked(version: Version, handles: Iterable[str]) -> dict[str, Any]:
    names = list(handles)
    return {"status": OK} | (
        {"sessionHandlesRevoked": names} if version >= V2_0 else {"numberOfSessionsRevoked": len(names)}
    )


def encode(body: Any) -> bytes:
    """Encode a JSON reply; it ends with a line break, as early clients expect."""
    return msgspec.json.encode(body) + b"\n"
