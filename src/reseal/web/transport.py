"""How a session travels: in cookies or in headers (FDI, sections 2, 3, 5 and 6).

A new session gets the way that the settings and the request ask for, and keeps it until it ends. What is presented
in a cookie is answered in cookies alone: a script that could have a cookie's token sent to it in a header would turn
``HttpOnly`` into readable. If a request presents both, the header counts: somebody put it there, cookies come by
themselves.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypedDict

from reseal.core import attempt
from reseal.web import bearer, cookies, csrf, front_token, older_frontends
from reseal.web.csrf import Trust

if TYPE_CHECKING:
    from reseal.core.tokens import TokenPair
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

FRONT_TOKEN: Final = "front-token"
ANTI_CSRF: Final = "anti-csrf"
AUTH_MODE: Final = "st-auth-mode"
ATTEMPT: Final = "idempotency-key"
_GONE: Final = "remove"
_LINE_REMEMBERED: Final = 4096
"""Longest ``Cookie`` line, in bytes, that is worth the room: anybody may send one."""


class Transport(Enum):
    """One way. Only what came in a cookie needs a check for cross-site requests."""

    COOKIE = "cookie"
    HEADER = "header"


def for_new_session(facts: RequestFacts, settings: Settings) -> Transport:
    """Choose the way of a session that begins. A request that does not say, like a plain form's, gets cookies."""
    method: str = settings.token_transfer_method
    if method == "any":
        method = (facts.header(AUTH_MODE) or "").strip().lower()
    return Transport.HEADER if method == "header" else Transport.COOKIE


def read_access(facts: RequestFacts, settings: Settings) -> tuple[Transport, tuple[str, ...]]:
    """List the access tokens that a request offers, and by which way; more than one after a change of domain."""
    authorization, cookie = facts.credentials
    token = bearer.read_access(authorization) if authorization else None
    if token is not None:
        return Transport.HEADER, (token,)
    return Transport.COOKIE, _access_tokens(cookie, settings.access_cookie_name)


def access_header(facts: RequestFacts) -> str | None:
    """Read the access token in ``Authorization``, ``None`` if there is none of ours."""
    return bearer.read_access(facts.credentials[0])


def read_refresh(facts: RequestFacts, settings: Settings) -> tuple[Transport, tuple[str, ...]]:
    """List the refresh tokens that a request offers, and by which way."""
    authorization, cookie = facts.credentials
    token = bearer.read_refresh(authorization) or bearer.read_body(facts)
    if token is not None:
        return Transport.HEADER, (token,)
    return Transport.COOKIE, _tokens(cookie, settings.refresh_cookie_name)


def asks_for_body(facts: RequestFacts) -> bool:
    """Tell whether the refresh token that counts came in the request's body, and the answer goes there too."""
    return bearer.read_refresh(facts.credentials[0]) is None and bearer.read_body(facts) is not None


def read_anti_csrf(facts: RequestFacts) -> str | None:
    """Read the anti-CSRF token that the page sent along."""
    return facts.header(ANTI_CSRF) or None


def read_attempt(facts: RequestFacts) -> str | None:
    """Read the attempt key that came along. One that came twice, or that cannot be one, counts as absent."""
    keys = facts.all(ATTEMPT)
    return keys[0] if len(keys) == 1 and attempt.is_key(keys[0]) else None


def access_cookies(facts: RequestFacts, settings: Settings) -> tuple[str, ...]:
    """List the access tokens that the cookies offer, whatever the headers do."""
    return _tokens(facts.credentials[1], settings.access_cookie_name)


def leftovers(facts: RequestFacts, settings: Settings, kept: Transport) -> tuple[Transport, ...]:
    """Name the way, other than ``kept``, by which the request presents tokens that may be deleted.

    Cookies stay where the request comes from a foreign page: it must not be able to sign anybody out.
    """
    authorization, cookie = facts.credentials
    if kept is Transport.COOKIE:
        held = bearer.read_access(authorization) or bearer.read_refresh(authorization)
        return (Transport.HEADER,) if held else ()
    ours = _tokens(cookie, settings.access_cookie_name) or _tokens(cookie, settings.refresh_cookie_name)
    if ours and csrf.verdict(facts, settings) is not Trust.HOSTILE:
        return (Transport.COOKIE,)
    return ()


def attach(headers: SessionHeaders, settings: Settings, via: Transport, tokens: TokenPair, now_ms: int) -> None:
    """Hand new tokens to the client; a refresh token of ``None`` leaves what it holds."""
    headers.publish(FRONT_TOKEN, front_token.of(tokens.claims))
    if headers.for_older_frontend and tokens.refresh_token is not None:
        headers.publish(older_frontends.ID_REFRESH_TOKEN, older_frontends.id_refresh_token(tokens))
    if via is Transport.HEADER:
        bearer.attach(headers, tokens)
        return
    _attach_cookies(headers, settings, tokens, now_ms)
    if tokens.anti_csrf is not None:
        headers.publish(ANTI_CSRF, tokens.anti_csrf)


def clear(headers: SessionHeaders, settings: Settings, *ways: Transport) -> None:
    """Make the client forget the session, whatever this response had set before."""
    headers.discard(ANTI_CSRF)
    headers.discard(FRONT_TOKEN)
    headers.publish(older_frontends.ID_REFRESH_TOKEN if headers.for_older_frontend else FRONT_TOKEN, _GONE)
    for via in ways:
        forget(headers, settings, via)


def forget(headers: SessionHeaders, settings: Settings, via: Transport) -> None:
    """Delete the tokens that travel one way, and leave what the client knows of its session."""
    if via is Transport.HEADER:
        bearer.clear(headers)
        return
    _clear_cookie(headers, settings.access_cookie_name, _access_place(settings))
    _clear_cookie(headers, settings.refresh_cookie_name, _refresh_place(settings))
    _clear_older(headers, settings)


def access_token_limit(settings: Settings) -> int:
    """Say how many bytes an access token may have before browsers drop its cookie."""
    return cookies.COOKIE_LIMIT - cookies.size(settings.access_cookie_name, "")


def _clear_cookie(headers: SessionHeaders, name: str, place: cookies.Attributes) -> None:
    headers.set_cookie(name, cookies.clear_cookie(name, **place))


def _clear_older(headers: SessionHeaders, settings: Settings) -> None:
    """Delete the cookies of the domain that was in force before, in the response that sets or clears the new ones.

    Nothing tells from which domain a cookie has come, so it is done whether or not one came twice.
    """
    if settings.older_cookie_domain is None:
        return
    older = settings.older_cookie_domain or None
    _clear_cookie(headers, settings.older_access_cookie_name, {**_access_place(settings), "domain": older})
    _clear_cookie(headers, settings.refresh_cookie_name, {**_refresh_place(settings), "domain": older})


class _Life(TypedDict):
    expires_at_ms: int
    now_ms: int


def _attach_cookies(headers: SessionHeaders, settings: Settings, tokens: TokenPair, now_ms: int) -> None:
    """Set the cookies. Both live as long as the session.

    An access token that has expired must still arrive, or the answer would be "unauthorised" where "try refresh
    token" is right (FDI, 12.2).
    """
    _clear_older(headers, settings)
    life: _Life = {"expires_at_ms": tokens.session_expires_at, "now_ms": now_ms}
    name = settings.access_cookie_name
    headers.set_cookie(name, cookies.set_cookie(name, tokens.access_token, **_access_place(settings), **life))
    if tokens.refresh_token is not None:
        name = settings.refresh_cookie_name
        headers.set_cookie(name, cookies.set_cookie(name, tokens.refresh_token, **_refresh_place(settings), **life))


def _access_tokens(cookie: list[bytes], name: str) -> tuple[str, ...]:
    if len(cookie) == 1 and len(cookie[0]) <= _LINE_REMEMBERED:
        return _remembered(cookie[0], name)
    return _tokens(cookie, name)


@lru_cache(maxsize=1024)
def _remembered(line: bytes, name: str) -> tuple[str, ...]:
    """Take a line apart once: a browser sends the same one until its next refresh. Refresh tokens come once anyway."""
    return _tokens([line], name)


def _tokens(cookie: list[bytes], name: str) -> tuple[str, ...]:
    found = cookies.values(cookie, name)
    return found if all(found) else tuple(filter(None, found))


def _access_place(settings: Settings) -> cookies.Attributes:
    return _place(settings, settings.access_token_path)


def _refresh_place(settings: Settings) -> cookies.Attributes:
    return _place(settings, settings.refresh_api_path)


def _place(settings: Settings, path: str) -> cookies.Attributes:
    return {
        "path": path,
        "domain": settings.cookie_domain,
        "secure": settings.secure_cookies,
        "same_site": settings.cookie_same_site,
    }
