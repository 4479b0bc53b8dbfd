"""The calls of an application about visitors who are not signed in. None of their sessions is ``current_session``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from flask import Request, current_app

from reseal._sync.session import Session
from reseal.core.authentication import VisitOptions
from reseal.flask.application import AppSessions, here, installed


class VisitorCalls:
    """A part of the extension."""

    def create_anonymous_session(
        self,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        request: Request | None = None,
        **options: Unpack[VisitOptions],
    ) -> Session:
        """Begin a session of a visitor, who is not signed in. See :meth:`reseal.Reseal.create_anonymous_session`."""
        ours, of_now = asked(request)
        return ours.create_anonymous_session(of_now, jwt_payload, session_data, **options)

    def get_any_session(
        self,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - as get_session
        *,
        check_database: bool = False,
        request: Request | None = None,
    ) -> Session:
        """Verify the session of a user or of a visitor. See :meth:`reseal.Reseal.get_any_session`."""
        ours, of_now = asked(request)
        return ours.get_any_session(of_now, enable_csrf_protection, check_database=check_database)


def asked(request: Request | None) -> tuple[AppSessions, Any]:
    """Return the sessions of the current application, and the request that a call is about."""
    ours, of_now = here() if request is None else (installed(current_app), request)
    return ours, of_now
