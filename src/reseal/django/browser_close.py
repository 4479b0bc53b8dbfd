"""Sessions that end with the browser: their cookies have no end of their own.

The access token says so itself, because each refresh sets the cookies anew and knows nothing but the tokens.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Final

import msgspec

from reseal.core.access_token import Claims
from reseal.web.headers import SessionHeaders

SESSION_COOKIES: Final = "session_cookies"
"""The member of the JWT payload."""
_JSON_IN_BASE64: Final = "eyJ"
_ENDS: Final = ("Max-Age=", "Expires=")


class ClosingHeaders(SessionHeaders, eq=False):
    """Headers that leave the end out of the cookies of such a session."""

    _closes: bool = False

    def set_cookie(self, name: str, text: str) -> None:
        value = text.partition(";")[0].partition("=")[2]
        if value.startswith(_JSON_IN_BASE64):  # the access token, whose cookie is set before that of the refresh token
            self._closes = _closes(value)
        super().set_cookie(name, _without_end(text) if value and self._closes else text)


def _closes(token: str) -> bool:
    segment = token.split(".")[1]
    claims = msgspec.json.decode(urlsafe_b64decode(segment + "=="), type=Claims)
    return claims.jwt_payload().get(SESSION_COOKIES) is True


def _without_end(text: str) -> str:
    return "; ".join(part for part in text.split("; ") if not part.startswith(_ENDS))
