"""The calls for requests of Django about visitors who are not signed in, beside Django's own sessions of visitors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack

from django.http import HttpRequest

from reseal._sync.adapter import RequestCalls
from reseal._sync.session import Session
from reseal.core.authentication import VisitOptions
from reseal.django.waiting import in_thread

S = TypeVar("S", bound=Session)


class VisitorCalls(RequestCalls[HttpRequest], Generic[S]):
    """A part of :class:`reseal.django.Reseal`, whose sessions are of the class ``S``."""

    if TYPE_CHECKING:

        def open(self) -> None: ...
        def _own(self, session: Session) -> S: ...

    def create_anonymous_session(
        self,
        request: HttpRequest,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[VisitOptions],
    ) -> S:
        """Begin a session of a visitor, who is not signed in. See :meth:`reseal.Reseal.create_anonymous_session`."""
        self.open()
        return self._own(super().create_anonymous_session(request, jwt_payload, session_data, **options))

    def get_any_session(
        self,
        request: HttpRequest,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - as get_session
        *,
        check_database: bool = False,
    ) -> S:
        """Verify the session of a user or of a visitor. See :meth:`reseal.Reseal.get_any_session`."""
        self.open()
        return self._own(super().get_any_session(request, enable_csrf_protection, check_database=check_database))

    async def acreate_anonymous_session(
        self,
        request: HttpRequest,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[VisitOptions],
    ) -> S:
        """Begin a session of a visitor, in async code. See :meth:`create_anonymous_session`."""
        return await in_thread(self.create_anonymous_session)(request, jwt_payload, session_data, **options)

    async def aget_any_session(
        self,
        request: HttpRequest,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - as get_session
        *,
        check_database: bool = False,
    ) -> S:
        """Verify the session of a user or of a visitor, in async code."""
        return await in_thread(self.get_any_session)(request, enable_csrf_protection, check_database=check_database)
