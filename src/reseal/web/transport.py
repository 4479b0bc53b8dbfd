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
    from reseal.settings.cookies import CookiePlan
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


def authorizations(facts: RequestFacts) -> tuple[str, ...]:
    """List what ``Authorization`` holds of ours, whichever of the two tokens it is."""
    lines = facts.credentials[0]
    token = bearer.read_access(lines) or bearer.read_refresh(lines)
    return () if token is None else (token,)


def read_refresh(facts: RequestFacts, settings: Settings) -> tuple[Transport, tuple[str, ...]]:
    """List the refresh tokens that a request offers, and by which way."""
    authorization, cookie = facts.credentials
    token = bearer.read_refresh(authorization) or bearer.read_body(facts)
    if token is not None:
        return Transport.HEADER, (token,)
    return Transport.COOKIE, _tokens(cookie, settings.refresh_cookie_name) or _older_refresh(cookie, settings)


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
    """List the access tokens that the cookies offer, whatever the headers do; also those of an older name."""
    cookie = facts.credentials[1]
    return _tokens(cookie, settings.access_cookie_name) + _older_access(cookie, settings)


def offers_access(facts: RequestFacts, settings: Settings) -> bool:
    """Tell whether a visitor is somebody: by an access token, or a cookie of an older name that a refresh exchanges."""
    return bool(read_access(facts, settings)[1] or _older_access(facts.credentials[1], settings))


def leftovers(facts: RequestFacts, settings: Settings, kept: Transport) -> tuple[Transport, ...]:
    """Name the way, other than ``kept``, by which the request presents tokens that may be deleted.

    Cookies stay where the request comes from a foreign page: it must not be able to sign anybody out.
    """
    authorization, cookie = facts.credentials
    if kept is Transport.COOKIE:
        held = bearer.read_access(authorization) or bearer.read_refresh(authorization)
        return (Transport.HEADER,) if held else ()
    ours = (
        _tokens(cookie, settings.access_cookie_name)
        or _tokens(cookie, settings.refresh_cookie_name)
        or _older_access(cookie, settings)
        or _older_refresh(cookie, settings)
    )
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


def hand_back(headers: SessionHeaders, settings: Settings, via: Transport, front: str) -> None:
    """Make the client forget its access token alone; ``front`` tells it to refresh the session that it has besides."""
    headers.discard(ANTI_CSRF)
    headers.publish(FRONT_TOKEN, front)
    if via is Transport.HEADER:
        bearer.clear_access(headers)
        return
    name, path = _each(settings.cookies)[0]
    _clear_cookie(headers, name, _place(headers, settings, settings.cookies, path))


def forget(headers: SessionHeaders, settings: Settings, via: Transport) -> None:
    """Delete the tokens that travel one way, and leave what the client knows of its session."""
    if via is Transport.HEADER:
        bearer.clear(headers)
        return
    for name, path in _each(settings.cookies):
        _clear_cookie(headers, name, _place(headers, settings, settings.cookies, path))
    _clear_older(headers, settings, with_refresh=True)


def access_token_limit(settings: Settings) -> int:
    """Say how many bytes an access token may have before browsers drop its cookie."""
    return cookies.COOKIE_LIMIT - cookies.size(settings.access_cookie_name, "")


def _clear_cookie(headers: SessionHeaders, name: str, place: cookies.Attributes) -> None:
    headers.set_cookie(name, cookies.clear_cookie(name, **place))


def _clear_older(headers: SessionHeaders, settings: Settings, *, with_refresh: bool) -> None:
    """Delete the cookies of the configuration before, where the ``older_`` keys say that it had others.

    Nothing tells where a cookie has come from, so it is done whether or not one has. Without a new refresh token the
    old one stays: it is the only one.
    """
    older, present = settings.older_cookies, settings.cookies
    if older is None:
        return
    kept = {(name, path, present.domain) for name, path in _each(present)}
    for name, path in _each(older)[: 2 if with_refresh else 1]:
        if (name, path, older.domain) not in kept:
            _clear_cookie(headers, name, _place(headers, settings, older, path))


class _Life(TypedDict):
    expires_at_ms: int
    now_ms: int


def _attach_cookies(headers: SessionHeaders, settings: Settings, tokens: TokenPair, now_ms: int) -> None:
    """Set the cookies. Both live as long as the session.

    An access token that has expired must still arrive, or the answer would be "unauthorised" where "try refresh
    token" is right (FDI, 12.2).
    """
    _clear_older(headers, settings, with_refresh=tokens.refresh_token is not None)
    life: _Life = {"expires_at_ms": tokens.session_expires_at, "now_ms": now_ms}
    tokens_of = {settings.access_cookie_name: tokens.access_token, settings.refresh_cookie_name: tokens.refresh_token}
    for name, path in _each(settings.cookies):
        token = tokens_of[name]
        if token is not None:
            place = _place(headers, settings, settings.cookies, path)
            headers.set_cookie(name, cookies.set_cookie(name, token, **place, **life))


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


def _older_access(cookie: list[bytes], settings: Settings) -> tuple[str, ...]:
    """Read cookies of a name that the access token no longer has. They open nothing: a refresh exchanges them."""
    older = settings.older_cookies
    if older is None or older.access_name == settings.access_cookie_name:
        return ()
    return _tokens(cookie, older.access_name)


def _older_refresh(cookie: list[bytes], settings: Settings) -> tuple[str, ...]:
    older = settings.older_cookies
    if older is None or older.refresh_name == settings.refresh_cookie_name:
        return ()
    return _tokens(cookie, older.refresh_name)


def _each(plan: CookiePlan) -> tuple[tuple[str, str], tuple[str, str]]:
    return (plan.access_name, plan.access_path), (plan.refresh_name, plan.refresh_path)


def _place(headers: SessionHeaders, settings: Settings, plan: CookiePlan, path: str) -> cookies.Attributes:
    return {
        "path": path if path == "/" else headers.path_prefix + path,
        "domain": plan.domain,
        "secure": plan.secure,
        "same_site": "lax" if not plan.secure and settings.cookie_same_site == "none" else settings.cookie_same_site,
    }
