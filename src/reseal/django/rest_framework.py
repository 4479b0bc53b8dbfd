"""Authentication for Django REST framework: ``request.auth`` is the session, ``request.user`` its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from rest_framework.authentication import BaseAuthentication
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"{__name__} needs Django REST framework: pip install djangorestframework ({_error})"
    ) from None
from rest_framework.exceptions import AuthenticationFailed

from reseal.core.errors import Refusal, Unauthorised
from reseal.django.sessions import Session, configured
from reseal.django.users import find_user

if TYPE_CHECKING:
    from rest_framework.request import Request


class SessionAuthentication(BaseAuthentication):
    """Knows the user by the session. For ``authentication_classes`` or ``DEFAULT_AUTHENTICATION_CLASSES``.

    A request without a token is anonymous; an expired one is answered with "try refresh token", as in any view.
    Requests that change something are checked for foreign pages by the session, so Django's CSRF token is not needed.
    """

    check_database: bool = False
    """Whether the store is asked at each request if the session has been revoked."""

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        """Return user and session. Raises the errors of a refusal, which the middleware answers."""
        reseal = configured()
        if not reseal.shows_token(request._request):  # noqa: SLF001 - the documented way to Django's request
            return None
        try:
            session = reseal.get_session(request._request, check_database=self.check_database)  # noqa: SLF001
        except Unauthorised as error:
            if error.reason is Refusal.NOT_SIGNED_IN:
                return None
            raise
        return self.get_user(session), session

    def get_user(self, session: Session) -> Any:
        """Load the user, by the primary key of ``AUTH_USER_MODEL``. Override it for users who live elsewhere."""
        user = find_user(session.get_user_id())
        if user is None:
            raise AuthenticationFailed("the user of this session does not exist any more, or is not active")
        return user

    def authenticate_header(self, _request: Request) -> str:
        """Name the scheme, so that a refusal has status 401."""
        return "Bearer"
