"""Names, domain and paths of the cookies of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reseal.settings.fields import EmbeddedFields

ACCESS_COOKIE: Final = "sAccessToken"
REFRESH_COOKIE: Final = "sRefreshToken"


@dataclass(frozen=True, slots=True)
class CookiePlan:
    """The two cookies of one configuration. Paths are those within the application."""

    access_name: str
    """With ``__Host-`` if the cookie is secure, of this host alone and for every path."""
    access_path: str
    refresh_name: str
    """With ``__Secure-`` if the cookie is secure: one bound to a path cannot be ``__Host-``."""
    refresh_path: str
    domain: str | None
    secure: bool


def cookies_of(settings: EmbeddedFields) -> dict[str, object]:
    """Derive the cookies, and the previous ones, if any of the ``older_`` keys is set."""
    secure = settings.cookie_secure
    if secure is None:
        secure = settings.api_domain.startswith("https:")
    plan = _plan(
        settings.cookie_suffix,
        settings.access_token_path,
        settings.refresh_api_path,
        domain=settings.cookie_domain,
        secure=secure,
    )
    older = _older(settings, plan)
    return {
        "secure_cookies": secure,
        "cookies": plan,
        "older_cookies": None if older == plan else older,
        "access_cookie_name": plan.access_name,
        "refresh_cookie_name": plan.refresh_name,
    }


def _plan(suffix: str, access_path: str, refresh_path: str, *, domain: str | None, secure: bool) -> CookiePlan:
    host_only = domain is None and access_path == "/"
    return CookiePlan(
        access_name=_prefix(secure=secure, host_only=host_only) + ACCESS_COOKIE + suffix,
        access_path=access_path,
        refresh_name=_prefix(secure=secure, host_only=False) + REFRESH_COOKIE + suffix,
        refresh_path=refresh_path,
        domain=domain,
        secure=secure,
    )


def _older(settings: EmbeddedFields, plan: CookiePlan) -> CookiePlan:
    domain, secure, suffix = settings.older_cookie_domain, settings.older_cookie_secure, settings.older_cookie_suffix
    return _plan(
        settings.cookie_suffix if suffix is None else suffix,
        settings.older_access_token_path or plan.access_path,
        settings.older_refresh_api_path or plan.refresh_path,
        domain=plan.domain if domain is None else domain or None,
        secure=plan.secure if secure is None else secure,
    )


def _prefix(*, secure: bool, host_only: bool) -> str:
    if not secure:
        return ""
    return "__Host-" if host_only else "__Secure-"
