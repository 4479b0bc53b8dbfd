"""The front-token: what a page may know about its session, so that it can refresh without asking (FDI, 3.3).

It is readable by scripts and proves nothing; no secret belongs in the payload. The member ``ik`` says that this server
takes attempt keys: a page of another origin may send that header only to a server whose CORS rules name it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from reseal.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseal.core.access_token import Claims


def of(claims: Claims) -> str:
    """Say what scripts may know: the user, the token's end, and the payload with the standard claims."""
    public = claims.jwt_payload() | {
        "sub": claims.sub,
        "iat": claims.iat,
        "exp": claims.exp,
        "tId": claims.tid,
        "sessionHandle": claims.sid,
    }
    return encode(
        claims.sub, claims.exp * 1000, public, bound="" if claims.cnf is None else "dpop" if claims.scheme else "bound"
    )


def expired(user_id: str) -> str:
    """Say that this user's access token has ended, so that the page refreshes before its next call."""
    return encode(user_id, 0, {"sub": user_id})


def encode(user_id: str, expires_at_ms: int, payload: Mapping[str, Any], *, bound: str = "") -> str:
    """Write the header value: padded standard base64 of compact JSON, with the access token's end in it.

    ``bound``: the session is bound to the browser, which refreshes it by itself; ``dpop``: to a key of the page's.

    Raises ``InvalidInput`` if the payload is not JSON.
    """
    members = {"uid": user_id, "ate": expires_at_ms, "up": dict(payload), "ik": 1} | ({bound: 1} if bound else {})
    try:
        return b64encode(_json(members)).decode("ascii")
    except (TypeError, ValueError) as error:
        raise InvalidInput("jwt_payload", "cannot be written as JSON") from error


def _json(members: dict[str, Any]) -> bytes:
    text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair is legal in JSON as an escape only.
        return json.dumps(members, allow_nan=False, separators=(",", ":")).encode()
