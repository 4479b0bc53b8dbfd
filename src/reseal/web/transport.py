"""How a session travels: in cookies or in headers (FDI, sections 2, 3, 5 and 6).

A new session gets the transport that the settings and the request ask for, and keeps it until it ends. A token sent
in a cookie is answered in cookies only: if a script could get a cookie's token in a response header,
``HttpOnly`` would protect nothing. If a request presents both, the header counts: code put it there, while
cookies come automatically.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, TypedDict

from reseal.web import bearer, cookies, device_bound, front_token, older_frontends

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


class Transport(Enum):
    """A transport. Only tokens in cookies need a check for cross-site requests."""

    COOKIE = "cookie"
    HEADER = "header"


def for_new_session(facts: RequestFacts, settings: Settings) -> Transport:
    """Choose the transport of a new session. A request without a choice, such as a plain form's, gets cookies."""
    method: str = settings.token_transfer_method
    if method == "any":
        method = (facts.header(AUTH_MODE) or "").strip().lower()
    return Transport.HEADER if method == "header" else Transport.COOKIE


def attach(headers: SessionHeaders, settings: Settings, via: Transport, tokens: TokenPair, now_ms: int) -> None:
    """Send new tokens to the client; with a refresh token of ``None`` it keeps the old one."""
    headers.publish(FRONT_TOKEN, front_token.of(tokens.claims))
    if headers.for_older_frontend and tokens.refresh_token is not None:
        headers.publish(older_frontends.ID_REFRESH_TOKEN, older_frontends.id_refresh_token(tokens))
    if via is Transport.HEADER:
        bearer.attach(headers, tokens)
        return
    _attach_cookies(headers, settings, tokens, now_ms)
    if tokens.challenge is not None:
        device_bound.attach(headers, settings, tokens)
    if tokens.anti_csrf is not None:
        headers.publish(ANTI_CSRF, tokens.anti_csrf)


def clear(headers: SessionHeaders, settings: Settings, *ways: Transport) -> None:
    """Make the client delete the session, overriding earlier headers of this response."""
    headers.discard(ANTI_CSRF)
    headers.discard(FRONT_TOKEN)
    headers.publish(older_frontends.ID_REFRESH_TOKEN if headers.for_older_frontend else FRONT_TOKEN, _GONE)
    for via in ways:
        forget(headers, settings, via)


def hand_back(headers: SessionHeaders, settings: Settings, via: Transport, front: str) -> None:
    """Make the client delete only its access token; ``front`` makes it refresh the session that it has besides."""
    headers.discard(ANTI_CSRF)
    headers.publish(FRONT_TOKEN, front)
    if via is Transport.HEADER:
        bearer.clear_access(headers)
        return
    forget_access(headers, settings)


def forget_access(headers: SessionHeaders, settings: Settings) -> None:
    """Delete the cookie of the access token alone."""
    name, path = _each(settings.cookies)[0]
    _clear_cookie(headers, name, _place(headers, settings, settings.cookies, path))


def forget(headers: SessionHeaders, settings: Settings, via: Transport) -> None:
    """Delete the tokens of one transport, and keep the client's other data on its session."""
    if via is Transport.HEADER:
        bearer.clear(headers)
        return
    for name, path in _each(settings.cookies):
        _clear_cookie(headers, name, _place(headers, settings, settings.cookies, path))
    _clear_older(headers, settings, with_refresh=True)


def access_token_limit(settings: Settings) -> int:
    """Return the longest access token, in bytes, whose cookie browsers accept."""
    return cookies.COOKIE_LIMIT - cookies.size(settings.access_cookie_name, "")


def _clear_cookie(headers: SessionHeaders, name: str, place: cookies.Attributes) -> None:
    headers.set_cookie(name, cookies.clear_cookie(name, **place))


def _clear_older(headers: SessionHeaders, settings: Settings, *, with_refresh: bool) -> None:
    """Delete the cookies of a previous configuration, as named by the ``older_`` keys.

    A cookie does not reveal its attributes, so they are always deleted. Without a new refresh token the
    old one stays: it is the only one.
    """
    older, present = settings.older_cookies, settings.cookies
    count = 2 if with_refresh else 1
    if settings.cookie_partitioned:  # those from before it was set are other cookies, and would outlive a sign-out
        for name, path in _each(present)[:count]:
            place = _place(headers, settings, present, path)
            _clear_cookie(headers, name, {**place, "partitioned": False})
    if older is None:
        return
    kept = {(name, path, present.domain) for name, path in _each(present)}
    for name, path in _each(older)[:count]:
        if (name, path, older.domain) not in kept:
            _clear_cookie(headers, name, _place(headers, settings, older, path))


class _Life(TypedDict):
    expires_at_ms: int | None
    now_ms: int


def _attach_cookies(headers: SessionHeaders, settings: Settings, tokens: TokenPair, now_ms: int) -> None:
    """Set the cookies. Both live as long as the session, or until the browser is closed.

    An access token that has expired must still arrive, or the answer would be "unauthorised" where "try refresh
    token" is right (FDI, 12.2).
    """
    _clear_older(headers, settings, with_refresh=tokens.refresh_token is not None)
    life: _Life = {"expires_at_ms": tokens.session_expires_at if tokens.persistent else None, "now_ms": now_ms}
    tokens_of = {settings.access_cookie_name: tokens.access_token, settings.refresh_cookie_name: tokens.refresh_token}
    for name, path in _each(settings.cookies):
        token = tokens_of[name]
        if token is not None:
            place = _place(headers, settings, settings.cookies, path)
            own = life
            if tokens.claims.cnf is not None and name == settings.access_cookie_name:
                own = {**life, "expires_at_ms": tokens.claims.exp * 1000}  # its end is what makes the browser refresh
            headers.set_cookie(name, cookies.set_cookie(name, token, **place, **own))


def _each(plan: CookiePlan) -> tuple[tuple[str, str], tuple[str, str]]:
    return (plan.access_name, plan.access_path), (plan.refresh_name, plan.refresh_path)


def _place(headers: SessionHeaders, settings: Settings, plan: CookiePlan, path: str) -> cookies.Attributes:
    return {
        "path": path if path == "/" else headers.path_prefix + path,
        "domain": plan.domain,
        "secure": plan.secure,
        "same_site": "lax" if not plan.secure and settings.cookie_same_site == "none" else settings.cookie_same_site,
        "partitioned": settings.cookie_partitioned and plan.secure,
    }
