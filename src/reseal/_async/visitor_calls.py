"""The calls of an application about visitors who are not signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack

from reseal._async import signing_in, verification
from reseal._async.awaited import awaited
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession
from reseal.core.authentication import VisitOptions
from reseal.web.context import RequestContext
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

R_contra = TypeVar("R_contra", contravariant=True)


class AsyncVisitorSessions:
    """A part of :class:`reseal.AsyncReseal`."""

    backend: AsyncSessions
    if TYPE_CHECKING:

        def context(self, request: RequestFacts, response: SessionHeaders) -> RequestContext: ...

    @awaited
    async def create_anonymous_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[VisitOptions],
    ) -> AsyncSession:
        """Begin a session of a visitor who is not signed in, in place of the one that this client holds.

        Only :meth:`get_any_session` accepts it; everything else demands a user.
        ``create_new_session(…, keep_anonymous=True)`` takes its data over. ``policy``: its limits; without one, the
        policy ``anonymous`` of the settings, if there is one. Raises ``InvalidInput``, also for a request that presents
        the live session of a user, ``Unauthorised`` for a foreign page, ``StoreUnavailable``, and ``RuntimeError`` once
        the response has begun.
        """
        return await signing_in.begin_anonymous(
            self.backend, self.context(request, response), jwt_payload, session_data, **options
        )

    @awaited
    async def get_any_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - as get_session
        *,
        check_database: bool = False,
    ) -> AsyncSession:
        """Verify the session of a request, of a user or of a visitor: :meth:`AsyncSession.is_anonymous` says which.

        Everything else is as in :meth:`get_session`, which refuses visitors.
        """
        return await verification.verify(
            self.backend,
            self.context(request, response),
            csrf_protection=enable_csrf_protection,
            check_database=check_database,
            allow_anonymous=True,
        )


class AsyncVisitorCalls(Generic[R_contra]):
    """The same for requests of one framework: a part of its adapter."""

    if TYPE_CHECKING:
        sessions: AsyncVisitorSessions

        def _read(self, request: R_contra) -> tuple[RequestFacts, SessionHeaders]: ...

    @awaited
    async def create_anonymous_session(
        self,
        request: R_contra,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[VisitOptions],
    ) -> AsyncSession:
        """Begin a session of a visitor, who is not signed in. See :class:`AsyncVisitorSessions`."""
        return await self.sessions.create_anonymous_session(*self._read(request), jwt_payload, session_data, **options)

    @awaited
    async def get_any_session(
        self,
        request: R_contra,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - as get_session
        *,
        check_database: bool = False,
    ) -> AsyncSession:
        """Verify the session of a user or of a visitor. See :meth:`reseal.AsyncReseal.get_any_session`."""
        return await self.sessions.get_any_session(
            *self._read(request), enable_csrf_protection, check_database=check_database
        )
