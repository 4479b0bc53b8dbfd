"""Authentication for django-ninja: ``request.auth`` is the session, and the API page has its lock."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

try:
    from ninja.security.base import AuthBase
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f"{__name__} needs django-ninja: pip install django-ninja ({_error})") from None
from django.http import HttpRequest

from reseal.core.claims import ClaimCheck
from reseal.django.sessions import Session, configured
from reseal.django.waiting import is_in_loop


class SessionAuth(AuthBase):
    """Demands a session: ``NinjaAPI(auth=SessionAuth())``, or of one operation.

    A refusal is answered as in any view. Requests that change something are checked for foreign pages by the session.
    """

    openapi_type: str = "apiKey"
    openapi_in: str = "cookie"

    def __init__(self, *, claims: Iterable[ClaimCheck] = (), check_database: bool = False) -> None:
        self.openapi_name: str = configured().settings.access_cookie_name
        self._demand: dict[str, Any] = {"claims": tuple(claims), "check_database": check_database}
        super().__init__()
        self.is_async: bool = True
        """What it returns is awaited, where it can be."""

    def __call__(self, request: HttpRequest) -> Session | Awaitable[Session]:
        """Return the session, in an async operation an awaitable. Raises the errors of a refusal."""
        reseal = configured()
        find = reseal.aget_session if is_in_loop() else reseal.get_session
        return find(request, **self._demand)
