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

    suffix: str
    secure: bool
    domain: str | None
    access_path: str
    refresh_path: str

    @property
    def access_name(self) -> str:
        """With ``__Host-`` if the cookie is secure, of this host alone and for every path."""
        host_only = self.domain is None and self.access_path == "/"
        return _prefix(secure=self.secure, host_only=host_only) + ACCESS_COOKIE + self.suffix

    @property
    def refresh_name(self) -> str:
        """With ``__Secure-`` if the cookie is secure: one bound to a path cannot be ``__Host-``."""
        return _prefix(secure=self.secure, host_only=False) + REFRESH_COOKIE + self.suffix


def cookies_of(settings: EmbeddedFields) -> dict[str, object]:
    """Derive the cookies, and the previous ones, if any of the ``older_`` keys is set."""
    secure = settings.cookie_secure
    if secure is None:
        secure = settings.api_domain.startswith("https:")
    plan = CookiePlan(
        settings.cookie_suffix,
        secure,
        settings.cookie_domain,
        settings.access_token_path,
        settings.refresh_api_path,
    )
    older = _older(settings, plan)
    return {
        "secure_cookies": secure,
        "cookies": plan,
        "older_cookies": None if older == plan else older,
        "access_cookie_name": plan.access_name,
        "refresh_cookie_name": plan.refresh_name,
    }


def _older(settings: EmbeddedFields, plan: CookiePlan) -> CookiePlan:
    domain, secure, suffix = settings.older_cookie_domain, settings.older_cookie_secure, settings.older_cookie_suffix
    return CookiePlan(
        plan.suffix if suffix is None else suffix,
        plan.secure if secure is None else secure,
        plan.domain if domain is None else domain or None,
        settings.older_access_token_path or plan.access_path,
        settings.older_refresh_api_path or plan.refresh_path,
    )


def _prefix(*, secure: bool, host_only: bool) -> str:
    if not secure:
        return ""
    return "__Host-" if host_only else "__Secure-"
