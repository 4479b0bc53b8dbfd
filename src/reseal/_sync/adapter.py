# Generated from src/reseal/_async/adapter.py by tools/unasync.py; edit that file instead.
"""The calls of an adapter: those of :class:`Reseal`, with a request of the framework in place of its facts.

The headers of the response are found through the request as well, so that no call takes a response.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar, Unpack

from reseal._sync import verification
from reseal._sync.awaited import awaited, demand_loop, marked
from reseal._sync.impersonation import HALF_AN_HOUR
from reseal._sync.reseal import Reseal
from reseal._sync.session import Session
from reseal._sync.visitor_calls import VisitorCalls
from reseal.core.authentication import SignInOptions
from reseal.core.claims import ClaimCheck
from reseal.web.context import RequestContext
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

R_contra = TypeVar("R_contra", contravariant=True)


class Requests(Protocol[R_contra]):
    """How a framework's request is read, and where the headers of its response collect."""

    def facts(self, request: R_contra) -> RequestFacts:
        """Read a request without its body."""

    def facts_with_body(self, request: R_contra) -> RequestFacts:
        """Read a request with its body, where that may hold a token (:func:`reseal.web.bearer.may_have_body`)."""

    def outbox(self, request: R_contra) -> SessionHeaders:
        """Return the headers that will leave with the response."""


class RequestCalls(VisitorCalls[R_contra]):
    """The calls for requests of one framework."""

    def __init__(self, sessions: Reseal, requests: Requests[R_contra]) -> None:
        self.sessions: Reseal = sessions
        """The same sessions without a request: by handle and by user."""
        self._requests = requests

    def now(self) -> int:
        """Return the time by which claims are checked (ms). See :meth:`Reseal.now`."""
        return self.sessions.now()

    @awaited
    def create_new_session(
        self,
        request: R_contra,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[SignInOptions],
    ) -> Session:
        """Sign a user in, whom the caller has authenticated. See :meth:`Reseal.create_new_session`."""
        return self.sessions.create_new_session(
            *self._read(request), user_id, jwt_payload, session_data, **options
        )

    @marked
    def get_session(
        self,
        request: R_contra,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request. See :meth:`Reseal.get_session`."""
        demand_loop("get_session", self)
        return verification.verify(
            self.sessions.backend,
            self.context(request),
            csrf_protection=enable_csrf_protection,
            check_database=check_database,
            claims=claims,
        )

    @awaited
    def refresh_session(self, request: R_contra) -> Session:
        """Exchange the refresh token of a request, for a route of your own. See :meth:`Reseal.refresh_session`."""
        facts = self._requests.facts_with_body(request)
        return self.sessions.refresh_session(facts, self._requests.outbox(request))

    @awaited
    def answer_refresh(self, request: R_contra) -> dict[str, object]:
        """Do the same, and return the body of the answer. See :meth:`Reseal.answer_refresh`."""
        facts = self._requests.facts_with_body(request)
        return self.sessions.answer_refresh(facts, self._requests.outbox(request))

    @awaited
    def sign_out(self, request: R_contra) -> None:
        """End the session of a request, for a route of your own. See :meth:`Reseal.sign_out`."""
        self.sessions.sign_out(*self._read(request))

    @awaited
    def impersonate(
        self,
        request: R_contra,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        reason: str,
        at_most: int = HALF_AN_HOUR,
    ) -> Session:
        """Let the user of a request act as another one for a while. See :meth:`Reseal.impersonate`."""
        return self.sessions.impersonate(
            *self._read(request), user_id, jwt_payload, session_data, reason=reason, at_most=at_most
        )

    @awaited
    def stop_impersonating(self, request: R_contra) -> None:
        """Go back to the user's own session. See :meth:`Reseal.stop_impersonating`."""
        self.sessions.stop_impersonating(*self._read(request))

    @awaited
    def peek(
        self, request: R_contra, *, check_database: bool = False
    ) -> SignedIn[Session] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. See :meth:`Reseal.peek`."""
        return self.sessions.peek(*self._read(request), check_database=check_database)

    @awaited
    def require_own_origin(self, request: R_contra) -> None:
        """Refuse a foreign page where there is no session yet. See :meth:`Reseal.require_own_origin`."""
        self.sessions.require_own_origin(self._requests.facts(request))

    def set_relevant_headers_for_options_api(self, request: R_contra) -> bool:
        """Answer a preflight in a handler of your own. See :meth:`Reseal.set_relevant_headers_for_options_api`."""
        return self.sessions.set_relevant_headers_for_options_api(*self._read(request))

    def context(self, request: R_contra) -> RequestContext:
        """Join a request and the headers of its response. See :meth:`Reseal.context`."""
        return self.sessions.context(self._requests.facts(request), self._requests.outbox(request))

    def _read(self, request: R_contra) -> tuple[RequestFacts, SessionHeaders]:
        return self._requests.facts(request), self._requests.outbox(request)
