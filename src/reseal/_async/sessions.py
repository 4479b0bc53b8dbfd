"""Sessions of browsers: the mission's calls, for any framework.

A request is a value (:class:`reseal.web.facts.RequestFacts`); what the response has to say collects in
:class:`reseal.web.headers.SessionHeaders`. Whoever calls makes sure that these headers go out with the response,
also when a call raises: clearing cookies is part of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self, TypeVar

from reseal._async.engine import AsyncEngine
from reseal._async.ports import AsyncSessions
from reseal._async.stores import make_store
from reseal.clock import Clock, SystemClock
from reseal.core import payload
from reseal.core.access_token import Claims
from reseal.core.claims import ClaimCheck, check_claims
from reseal.core.errors import (
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
)
from reseal.core.events import Caller, EventListener, EventName
from reseal.core.model import EndReason, SessionRecord
from reseal.core.tokens import TokenPair
from reseal.log import log_event
from reseal.settings import Settings
from reseal.teller import Teller
from reseal.web import answers, csrf, front_token, transport
from reseal.web.csrf import Trust
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

ErrorT = TypeVar("ErrorT", bound=ResealError)


class AsyncSession:
    """One verified session, during one request."""

    __slots__ = ("_claims", "_reseal", "_response")

    def __init__(self, reseal: AsyncReseal, claims: Claims, response: SessionHeaders) -> None:
        self._reseal = reseal
        self._claims = claims
        self._response = response

    def __repr__(self) -> str:
        return f"Session(handle={self._claims.sid!r})"

    def get_user_id(self) -> str:
        """Whose session this is, byte for byte as given at sign-in."""
        return self._claims.sub

    def get_handle(self) -> str:
        """The session's name: fit for logs and lists, worthless as a credential."""
        return self._claims.sid

    def get_jwt_payload(self) -> dict[str, object]:
        """What the access token carries; a fresh copy at each call."""
        return self._claims.jwt_payload()

    def get_expiry(self) -> int:
        """When the access token ends, in ms since the epoch."""
        return self._claims.exp * 1000

    async def get_session_data(self) -> dict[str, object]:
        """Read the data that stays on the server. Raises ``Unauthorised``, ``StoreUnavailable``."""
        record = await self._live()
        return payload.decode(record.session_data)

    async def update_session_data(self, session_data: Mapping[str, object]) -> None:
        """Replace the session data. Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``."""
        try:
            await self._reseal.sessions.update(self._claims.sid, session_data=session_data, seen=self._claims)
        except Unauthorised as error:
            raise self._reseal.refuse(error, self._response) from None

    async def update_jwt_payload(self, jwt_payload: Mapping[str, object]) -> None:
        """Replace the JWT payload and give the browser a new access token with it."""
        sessions = self._reseal.sessions
        try:
            record = await sessions.update(self._claims.sid, jwt_payload=jwt_payload, seen=self._claims)
        except Unauthorised as error:
            raise self._reseal.refuse(error, self._response) from None
        tokens = await sessions.reissue(self._claims, record)
        self._claims = tokens.claims
        self._reseal.attach(tokens, self._response)

    async def revoke_session(self) -> None:
        """End this session in the store, then have the browser forget it. Raises ``StoreUnavailable``."""
        await self._reseal.sessions.revoke((self._claims.sid,), EndReason.SIGNED_OUT)
        transport.clear(self._response, self._reseal.settings)

    async def revoke_other_sessions(self) -> tuple[str, ...]:
        """End the user's other sessions; names them."""
        return await self._reseal.sessions.revoke_user(self._claims.sub, keep=self._claims.sid)

    async def _live(self) -> SessionRecord:
        try:
            return await self._reseal.sessions.check(self._claims)
        except Unauthorised as error:
            raise self._reseal.refuse(error, self._response) from None


class AsyncReseal:
    """Everything an application calls. Use as ``async with AsyncReseal(settings) as reseal``, or open and close it.

    Without ``sessions`` it embeds an engine over the store that ``settings.database_uri`` names.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._teller = Teller(settings.scope, self._clock, on_event)
        self.sessions: AsyncSessions = sessions or AsyncEngine(
            settings, make_store(settings, clock), clock=clock, on_event=on_event
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the store, load the keys. Raises ``ConfigurationError`` or ``StoreUnavailable``."""
        await self.sessions.open()

    async def close(self) -> None:
        await self.sessions.close()

    # -- one browser's session --------------------------------------------------------------------------------------

    async def create_new_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
    ) -> AsyncSession:
        """Sign a user in: begin a session, end the one that this browser held, and set the cookies.

        The caller has authenticated ``user_id`` and guards the sign-in page itself. Raises ``InvalidInput``,
        ``StoreUnavailable``; then the browser keeps what it had.
        """
        response.touch()
        tokens = await self.sessions.create(user_id, jwt_payload, session_data, caller=_caller(request))
        held = {claims.sid for claims in self._held(request)}
        if held:
            await self.sessions.revoke(held, EndReason.REPLACED)
        self.attach(tokens, response)
        return AsyncSession(self, tokens.claims, response)

    async def get_session(
        self,
        request: RequestFacts,
        response: SessionHeaders,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's third argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> AsyncSession:
        """Verify the session of a request, without I/O unless asked for it.

        ``enable_csrf_protection``: ``None`` checks the methods that change something. ``check_database`` asks the
        store whether the session was revoked meanwhile. Raises ``TryRefreshToken`` (cookies stay), ``Unauthorised``
        (cookies cleared, where there were any), ``InvalidClaims``, ``StoreUnavailable``.
        """
        response.touch()
        await self.sessions.keep_fresh()
        verified = self._verify(request)
        if _wants_csrf_check(request, asked=enable_csrf_protection):
            self._check_csrf(request, verified)
        session = AsyncSession(self, verified, response)
        if check_database or verified.unconfirmed:
            session = await self._checked(verified, response)
        if claims:
            check_claims(claims, session.get_jwt_payload(), self._clock.wall())
        return session

    async def refresh_session(self, request: RequestFacts, response: SessionHeaders) -> AsyncSession:
        """Give the browser new tokens for its refresh token. Only by POST, only on the refresh path.

        Raises ``Unauthorised`` and ``TokenTheftDetected`` (cookies cleared), ``StoreUnavailable`` (cookies stay).
        """
        response.touch()
        if request.method != "POST":
            raise WrongMethod
        presented = transport.read_refresh(request, self.settings)
        if not presented:
            raise Unauthorised(Refusal.NO_TOKEN)
        require_anti_csrf = self._refresh_needs_token(request)
        await self.sessions.keep_fresh()
        try:
            tokens = await self._refresh_any(presented, request, require_anti_csrf=require_anti_csrf)
        except (Unauthorised, TokenTheftDetected) as error:
            raise self.refuse(error, response) from None
        self.attach(tokens, response)
        return AsyncSession(self, tokens.claims, response)

    async def sign_out(self, request: RequestFacts, response: SessionHeaders) -> None:
        """End the browser's session, also with an expired access token, and clear its cookies.

        Again and again is fine. A token whose signing key was retired names no session any more: then only the
        browser forgets it. Raises ``StoreUnavailable`` if the store could not note it: the browser has then
        forgotten the session, but the session itself may live on. Raises ``Unauthorised`` for a foreign page.
        """
        response.touch()
        if request.method != "POST":
            raise WrongMethod
        await self.sessions.keep_fresh()
        held = self._held(request)
        for claims in held or (None,):
            self._check_csrf(request, claims)
        transport.clear(response, self.settings)
        if held:
            await self.sessions.revoke([claims.sid for claims in held], EndReason.SIGNED_OUT)

    # -- any session, by its handle or its user ---------------------------------------------------------------------

    async def revoke_session_using_session_handle(self, session_handle: str) -> bool:
        """End one session. Says whether this call ended it."""
        return bool(await self.sessions.revoke((session_handle,)))

    async def revoke_multiple_sessions(self, session_handles: Iterable[str]) -> tuple[str, ...]:
        """End exactly these sessions; names those that this call ended."""
        return await self.sessions.revoke(session_handles)

    async def revoke_all_sessions_for_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        return await self.sessions.revoke_user(user_id, keep=keep)

    async def get_all_session_handles_for_user(self, user_id: str) -> tuple[str, ...]:
        """Name the live sessions of a user, oldest first."""
        return tuple(record.handle for record in await self.sessions.list_user(user_id))

    async def get_session_data(self, session_handle: str) -> dict[str, object]:
        """Read a session's data. Raises ``Unauthorised`` if there is no such live session."""
        return payload.decode((await self.sessions.get(session_handle)).session_data)

    async def update_session_data(self, session_handle: str, session_data: Mapping[str, object]) -> None:
        """Replace a session's data. Raises ``InvalidInput`` or ``Unauthorised``."""
        await self.sessions.update(session_handle, session_data=session_data)

    async def get_jwt_payload(self, session_handle: str) -> dict[str, object]:
        """Read the payload that a session's next access token will carry. Raises ``Unauthorised``."""
        return payload.decode((await self.sessions.get(session_handle)).jwt_payload)

    async def update_jwt_payload(self, session_handle: str, jwt_payload: Mapping[str, object]) -> None:
        """Replace a session's JWT payload; it reaches the browser with the next access token."""
        await self.sessions.update(session_handle, jwt_payload=jwt_payload)

    async def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        return await self.sessions.rotate_keys()

    # -- for sessions and adapters ----------------------------------------------------------------------------------

    def attach(self, tokens: TokenPair, response: SessionHeaders) -> None:
        """Put tokens into a response."""
        transport.attach(
            response,
            self.settings,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            anti_csrf=tokens.anti_csrf,
            front_token=_front_token(tokens.claims),
            session_expires_at_ms=tokens.session_expires_at,
            now_ms=self._clock.wall(),
        )

    def refuse(self, error: ErrorT, response: SessionHeaders) -> ErrorT:
        """Clear the cookies if this error ends the browser's session; gives the error back."""
        if answers.clears_session(error):
            transport.clear(response, self.settings)
        return error

    def report(self, error: StoreUnavailable, request: RequestFacts) -> None:
        """Tell the listener that a request could not be served for want of the store."""
        self._teller.tell(EventName.STORE_UNAVAILABLE, _caller(request), reason=str(error))

    def _verify(self, request: RequestFacts) -> Claims:
        tokens = transport.read_access(request, self.settings)
        if not tokens:
            raise Unauthorised(Refusal.NO_TOKEN)
        for token in tokens[:-1]:
            try:
                return self.sessions.verify(token)
            except TryRefreshToken:
                continue  # one of several cookies of that name: the others may do
        return self.sessions.verify(tokens[-1])

    def _held(self, request: RequestFacts) -> list[Claims]:
        """The sessions whose genuine tokens, expired or not, came with a request."""
        held = []
        for token in transport.read_access(request, self.settings):
            try:
                held.append(self.sessions.verify(token, expired_too=True))
            except TryRefreshToken:
                continue  # not a token of ours: it names no session
        return held

    async def _checked(self, claims: Claims, response: SessionHeaders) -> AsyncSession:
        """Ask the store; a payload that has changed there, or an unconfirmed token, is exchanged at once."""
        try:
            record = await self.sessions.check(claims)
        except Unauthorised as error:
            raise self.refuse(error, response) from None
        if claims.unconfirmed or bytes(claims.payload) != record.jwt_payload:
            tokens = await self.sessions.reissue(claims, record)
            self.attach(tokens, response)
            claims = tokens.claims
        return AsyncSession(self, claims, response)

    async def _refresh_any(
        self, presented: tuple[str, ...], request: RequestFacts, *, require_anti_csrf: bool
    ) -> TokenPair:
        genuine = self.sessions.newest(presented)
        *others, last = self._of_own_session(genuine, request) or genuine or presented[:1]
        for token in others:
            try:
                return await self._refresh_one(token, request, require_anti_csrf=require_anti_csrf)
            except Unauthorised:
                continue  # an old cookie of another session beside this one
        return await self._refresh_one(last, request, require_anti_csrf=require_anti_csrf)

    def _of_own_session(self, refresh_tokens: tuple[str, ...], request: RequestFacts) -> tuple[str, ...]:
        """Of the tokens of several sessions, keep those of a session whose access token came along.

        A sibling host can put a refresh cookie of its own before ours, but no access cookie named ``__Host-``.
        """
        if not refresh_tokens[1:]:
            return refresh_tokens
        own = [f".{claims.sid}." for claims in self._held(request)]
        return tuple(token for token in refresh_tokens if any(name in token for name in own))

    async def _refresh_one(self, token: str, request: RequestFacts, *, require_anti_csrf: bool) -> TokenPair:
        return await self.sessions.refresh(
            token,
            anti_csrf=transport.read_anti_csrf(request),
            require_anti_csrf=require_anti_csrf,
            caller=_caller(request),
        )

    def _check_csrf(self, request: RequestFacts, claims: Claims | None) -> None:
        """Refuse a foreign page. Without a session there is no token to compare, but a page to refuse all the same."""

        def token_ok() -> bool:
            sent = transport.read_anti_csrf(request)
            return claims is None or self.sessions.check_anti_csrf(claims, sent)

        if csrf.allows(request, self.settings, token_ok):
            return
        if csrf.verdict(request, self.settings) is Trust.UNKNOWN and self.settings.enable_anti_csrf:
            raise TryRefreshToken("anti-csrf token missing or not of this session")
        raise self._cross_site(request)

    def _refresh_needs_token(self, request: RequestFacts) -> bool:
        """Check where a refresh comes from; says whether its anti-CSRF token has to decide."""
        if csrf.allows(request, self.settings, lambda: True):
            return self.settings.enable_anti_csrf and csrf.verdict(request, self.settings) is Trust.UNKNOWN
        raise self._cross_site(request)

    def _cross_site(self, request: RequestFacts) -> Unauthorised:
        reason = csrf.explain(request, self.settings)
        self._teller.tell(EventName.CROSS_SITE_REFUSED, _caller(request), reason=reason)
        return Unauthorised(Refusal.CROSS_SITE)


def _caller(request: RequestFacts) -> Caller:
    return Caller(request.device, request.correlation_id)


def _wants_csrf_check(request: RequestFacts, *, asked: bool | None) -> bool:
    return csrf.is_state_changing(request.method) if asked is None else asked


def _front_token(claims: Claims) -> str:
    """What scripts may know: the user, the token's end, and the application's payload with the standard claims."""
    public = claims.jwt_payload() | {
        "sub": claims.sub,
        "iat": claims.iat,
        "exp": claims.exp,
        "tId": claims.tid,
        "sessionHandle": claims.sid,
    }
    return front_token.encode(claims.sub, claims.exp * 1000, public)
