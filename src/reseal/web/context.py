"""One request and the headers of its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from reseal.core.claims import check_claims
from reseal.core.client_details import ClientDetails, kept
from reseal.core.errors import Refusal, ResealError, Unauthorised
from reseal.core.events import NOBODY, Caller, EventName
from reseal.web import answers, csrf, dpop, older_frontends, places, transport
from reseal.web.presented import Presented, once
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reseal.core.access_token import Claims
    from reseal.core.claims import ClaimCheck
    from reseal.core.tokens import TokenPair
    from reseal.settings import Settings
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders

ErrorT = TypeVar("ErrorT", bound=ResealError)


class Events(Protocol):
    """Takes security events, and adds the time and the scope."""

    def emit(
        self,
        name: EventName,
        caller: Caller = NOBODY,
        *,
        session_handle: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        note: str | None = None,
    ) -> None:
        """Report an event."""


def caller_of(request: RequestFacts, settings: Settings) -> Caller:
    """Describe the origin of a request, as far as ``client_details`` lets it be known."""
    device, details = request.device, settings.client_details
    return Caller(device if details is ClientDetails.FULL else kept(device, details), request.correlation_id)


class RequestContext(Presented, eq=False):
    """A request and its credentials, with the headers of its response."""

    response: SessionHeaders
    now: Callable[[], int]
    """The time, in ms since the epoch."""
    events: Events

    def __repr__(self) -> str:
        return f"RequestContext({self.request!r})"

    @once
    def outgoing(self) -> SessionHeaders:
        """The headers of the response, prepared for tokens: most requests are only verified and need none."""
        self.response.path_prefix = places.prefix(self.request, self.settings)
        if self.settings.frontend_compatibility:
            self.response.for_older_frontend = older_frontends.may_have_sent(self.request)
        return self.response

    @once
    def caller(self) -> Caller:
        """The origin of the request, for sessions and events."""
        return caller_of(self.request, self.settings)

    def attach(self, tokens: TokenPair, via: Transport) -> None:
        """Put tokens into the response."""
        transport.attach(self.outgoing, self.settings, via, tokens, self.now())

    def hand_over(self, tokens: TokenPair, via: Transport) -> None:
        """Put tokens into the response, and delete the client's tokens of the other transport."""
        for other in self.leftovers(via):
            transport.forget(self.outgoing, self.settings, other)
        self.attach(tokens, via)

    def clear(self, *ways: Transport) -> None:
        """Make the client delete its session."""
        transport.clear(self.outgoing, self.settings, *ways)

    def refuse(self, error: ErrorT, *ways: Transport) -> ErrorT:
        """Clear the tokens if this error ends the client's session and the response can still say so; returns it."""
        if not self.response.sent and answers.clears_session(error):
            self.clear(*ways)
        dpop.refuse(self.response, error)
        return error

    def refuse_everywhere(self, error: ErrorT, via: Transport) -> ErrorT:
        """Do the same for the transport that was used and for the leftovers of the other one."""
        return self.refuse(error, via, *self.leftovers(via))

    def check_claims(self, claims: Claims, checks: Iterable[ClaimCheck], via: Transport) -> None:
        """Check the claims of a session. Raises ``InvalidClaims``."""
        challenge = via is Transport.HEADER and self.request.header(transport.AUTH_MODE) is None  # pages do not read it
        check_claims(checks, claims.jwt_payload(), self.now(), challenge=challenge)

    def cross_site(self, reason: str | None = None) -> Unauthorised:
        """Report a request from a foreign page, and return the error to raise."""
        reason = reason or csrf.explain(self.request, self.settings)
        self.events.emit(EventName.CROSS_SITE_REFUSED, self.caller, reason=reason)
        return Unauthorised(Refusal.CROSS_SITE, reason)
