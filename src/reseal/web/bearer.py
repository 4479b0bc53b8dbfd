"""Tokens in headers and bodies, for pages and programs that keep them themselves (FDI, 3.1 and 3.2).

``Authorization`` belongs to the whole application: only values in the form of our tokens are read from it, so that
other credentials do no harm (FDI, 5.1). A client that sends these headers holds the token, which a foreign
page does not: they need no check for cross-site requests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from reseal.core import access_token, refresh_token
from reseal.web import dpop

if TYPE_CHECKING:
    from reseal.core.tokens import TokenPair
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

ACCESS_TOKEN: Final = "st-access-token"
REFRESH_TOKEN: Final = "st-refresh-token"
BODY_LIMIT: Final = 16 * 1024
"""Bytes of a refresh request's body that an adapter reads; a longer one is not read at all."""
_CREDENTIAL: Final = re.compile(rb"(?:bearer|dpop) +(.*?)[ \t]*", re.IGNORECASE | re.DOTALL)
"""A scheme is read in any case (RFC 9110, 11.1)."""
_JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_LENGTH: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


class _RefreshRequest(msgspec.Struct):
    """The only member of RFC 6749, section 6, that is used here; the others are ignored, as it requires."""

    refresh_token: str


_BODY: Final = msgspec.json.Decoder(_RefreshRequest)


def read_access(authorization: list[bytes]) -> str | None:
    """Read an access token from the lines of ``Authorization``; ``None`` if there is none of ours."""
    token = _credential(authorization)
    return token if token is not None and access_token.has_shape(token) else None


def read_refresh(authorization: list[bytes]) -> str | None:
    """Read a refresh token from the lines of ``Authorization``; ``None`` if there is none of ours."""
    token = _credential(authorization)
    return token if token is not None and refresh_token.has_shape(token) else None


def read_body(facts: RequestFacts) -> str | None:
    """Read a refresh token from a JSON body; ``None`` if it holds none of ours, or is not JSON."""
    if not 0 < len(facts.body) <= BODY_LIMIT or media_type(facts) != _JSON:
        return None
    try:
        token = _BODY.decode(facts.body).refresh_token
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return token if refresh_token.has_shape(token) else None


def may_have_body(facts: RequestFacts) -> bool:
    """Return whether an adapter should read a request's body: JSON or a form, and short by its ``Content-Length``."""
    length = facts.header("content-length") or ""
    return media_type(facts) in (_JSON, FORM) and _LENGTH.fullmatch(length) is not None and int(length) <= BODY_LIMIT


def attach(headers: SessionHeaders, tokens: TokenPair) -> None:
    """Send new tokens to the client; without a new refresh token it keeps the old one."""
    headers.publish(ACCESS_TOKEN, tokens.access_token)
    if tokens.claims.scheme is not None and tokens.challenge is not None:
        headers.publish(dpop.NONCE, tokens.challenge)
    if tokens.refresh_token is not None:
        headers.publish(REFRESH_TOKEN, tokens.refresh_token)


def clear(headers: SessionHeaders) -> None:
    """Make the client delete its tokens, by empty values."""
    clear_access(headers)
    headers.publish(REFRESH_TOKEN, "")


def clear_access(headers: SessionHeaders) -> None:
    """Make the client delete its access token and keep its refresh token."""
    headers.publish(ACCESS_TOKEN, "")


def answer(tokens: TokenPair, now_ms: int) -> dict[str, object]:
    """Write the body for a client that sent its refresh token in one (RFC 6749, section 5.1)."""
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": tokens.claims.scheme or "Bearer",
        "expires_in": max(0, tokens.claims.exp - now_ms // 1000),
    }


def media_type(facts: RequestFacts) -> str:
    """Return what the body is declared as. A plain form of a foreign page cannot say that it is JSON."""
    return (facts.header("content-type") or "").partition(";")[0].strip().lower()


def _credential(authorization: list[bytes]) -> str | None:
    if len(authorization) != 1:
        return None  # with two of them it is ambiguous which one counts
    found = _CREDENTIAL.fullmatch(authorization[0])
    return found and found[1].decode("latin-1")
