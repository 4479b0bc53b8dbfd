"""Device bound session credentials (W3C draft): what the browser and we tell each other in headers and instructions.

The browser keeps the access token's cookie alive by itself. Our texts are structured fields (RFC 9651) of fixed shapes:
tokens, paths and handles have no character that would need an escape in a string.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from reseal.core import proofs
from reseal.core.binding import BROWSER_ALGORITHMS

if TYPE_CHECKING:
    from reseal.core.tokens import TokenPair
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

BIND: Final = "/bind"
"""Below the refresh path: where a browser sends its key."""
REFRESH: Final = "/bound"
"""Below the refresh path: where a browser refreshes a bound session."""
REGISTRATION: Final = "secure-session-registration"
CHALLENGE: Final = "secure-session-challenge"
RESPONSE: Final = "secure-session-response"
SESSION_ID: Final = "sec-secure-session-id"
SKIPPED: Final = "secure-session-skipped"
_STRING: Final = re.compile(r'"?([A-Za-z0-9_.-]{1,8192})"?', re.ASCII)


def is_offered(settings: Settings) -> bool:
    """Return whether browsers are asked to bind sessions: those whose cookies are secure, and of one host.

    Not those in partitioned cookies: Chromium 156 binds these too, and then never refreshes them.
    """
    may_be = settings.cookies.secure and settings.cookies.domain is None and not settings.cookie_partitioned
    return settings.device_binding != "off" and may_be


def attach(headers: SessionHeaders, settings: Settings, tokens: TokenPair) -> None:
    """Hand out a challenge: to bind the session, or for the next refresh of one that is bound."""
    if tokens.claims.cnf is not None:
        headers.set(CHALLENGE, f'"{tokens.challenge}";id="{tokens.claims.sid}"')
    elif is_offered(settings) and tokens.refresh_token is not None:
        path = headers.path_prefix + settings.refresh_api_path + BIND
        headers.set(REGISTRATION, f'({" ".join(BROWSER_ALGORITHMS)});path="{path}";challenge="{tokens.challenge}"')


def challenge_again(headers: SessionHeaders, handle: str, challenge: str) -> None:
    """Ask for a proof now."""
    headers.set(CHALLENGE, f'"{challenge}";id="{handle}"')


def read_proof(request: RequestFacts) -> str | None:
    """Read the proof of a request, which browsers send as a string or as a bare token; ``None`` if it has none.

    Two of them are none that could be right.
    """
    lines = request.all(RESPONSE)
    if not lines:
        return None
    return _text(lines[0]) if len(lines) == 1 else ""


def read_session_id(request: RequestFacts) -> str | None:
    """Read which session the browser means. No page can set this header."""
    lines = request.all(SESSION_ID)
    return _text(lines[0]) or None if len(lines) == 1 else None


def was_skipped(request: RequestFacts) -> bool:
    """Return whether the browser says that it could not refresh a session by itself. Anybody can say so."""
    return bool(request.all(SKIPPED))


def instructions(headers: SessionHeaders, settings: Settings, handle: str) -> dict[str, Any]:
    """Tell the browser which cookie to keep alive for which requests, and where.

    It refreshes for the calls of pages on other hosts only where these are named.
    """
    attributes = "; ".join(
        (
            f"Path={_path(headers, settings.cookies.access_path)}",
            "Secure",
            "HttpOnly",
            f"SameSite={settings.cookie_same_site.capitalize()}",
        )
    )
    initiators = sorted({str(urlsplit(each).hostname) for each in settings.origins - {settings.api_domain}})
    return {
        "session_identifier": handle,
        "refresh_url": headers.path_prefix + settings.refresh_api_path + REFRESH,
        "scope": {"origin": settings.api_domain, "include_site": False, "scope_specification": []},
        "credentials": [{"type": "cookie", "name": settings.access_cookie_name, "attributes": attributes}],
        **({"allowed_refresh_initiators": initiators} if initiators else {}),
    }


def _path(headers: SessionHeaders, path: str) -> str:
    return path if path == "/" else headers.path_prefix + path


def _text(line: str) -> str:
    match = _STRING.fullmatch(line.strip()) if len(line) <= proofs.LONGEST + 2 else None
    return match[1] if match else ""
