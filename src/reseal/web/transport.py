"""How a session travels in cookies: which cookie, which header, where each lives (FDI, sections 2, 3 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal.web import cookies

if TYPE_CHECKING:
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

FRONT_TOKEN: Final = "front-token"
ANTI_CSRF: Final = "anti-csrf"
_GONE: Final = "remove"


def read_access(facts: RequestFacts, settings: Settings) -> tuple[str, ...]:
    """List the access tokens that the cookies offer; more than one after a change of domain or path."""
    return _tokens(facts, settings.access_cookie_name)


def read_refresh(facts: RequestFacts, settings: Settings) -> tuple[str, ...]:
    """List the refresh tokens that the cookies offer."""
    return _tokens(facts, settings.refresh_cookie_name)


def read_anti_csrf(facts: RequestFacts) -> str | None:
    """Read the anti-CSRF token that the page sent along."""
    return facts.header(ANTI_CSRF) or None


def attach(
    headers: SessionHeaders,
    settings: Settings,
    *,
    access_token: str,
    refresh_token: str | None,
    anti_csrf: str | None,
    front_token: str,
    session_expires_at_ms: int,
    now_ms: int,
) -> None:
    """Hand new tokens to the browser; ``None`` leaves what it holds.

    Both cookies live as long as the session: an access token that has expired must still arrive, or the answer
    would be "unauthorised" where "try refresh token" is right (FDI, 12.2).
    """
    life = {"expires_at_ms": session_expires_at_ms, "now_ms": now_ms}
    _publish(headers, FRONT_TOKEN, front_token)
    name = settings.access_cookie_name
    headers.set_cookie(name, cookies.set_cookie(name, access_token, **_access_place(settings), **life))
    if refresh_token is not None:
        name = settings.refresh_cookie_name
        headers.set_cookie(name, cookies.set_cookie(name, refresh_token, **_refresh_place(settings), **life))
    if anti_csrf is not None:
        _publish(headers, ANTI_CSRF, anti_csrf)


def clear(headers: SessionHeaders, settings: Settings) -> None:
    """Make the browser forget the session, whatever this response had set before."""
    name = settings.access_cookie_name
    headers.set_cookie(name, cookies.clear_cookie(name, **_access_place(settings)))
    name = settings.refresh_cookie_name
    headers.set_cookie(name, cookies.clear_cookie(name, **_refresh_place(settings)))
    headers.discard(ANTI_CSRF)
    _publish(headers, FRONT_TOKEN, _GONE)


def access_token_limit(settings: Settings) -> int:
    """Say how many bytes an access token may have before browsers drop its cookie."""
    return cookies.COOKIE_LIMIT - cookies.size(settings.access_cookie_name, "")


def _tokens(facts: RequestFacts, name: str) -> tuple[str, ...]:
    return tuple([token for token in cookies.values(facts, name) if token])


def _publish(headers: SessionHeaders, name: str, value: str) -> None:
    headers.set(name, value)
    headers.expose(name)


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
