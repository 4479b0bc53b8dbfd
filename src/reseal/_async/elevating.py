"""A level of a session for a while: the call of an application, and what carries it out here and in a service."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from msgspec.structs import replace

from reseal._async.awaited import awaited
from reseal._async.beginning import Step
from reseal.core import actor, elevation, refresh_token, rotation
from reseal.core.access_token import Claims
from reseal.core.authentication import AuthenticationOptions, checked, named
from reseal.core.errors import StoreUnavailable, Unauthorised
from reseal.core.events import NOBODY, Caller, EventName
from reseal.core.model import Rotation, SessionRecord
from reseal.core.refresh_token import RefreshToken

if TYPE_CHECKING:
    from reseal._async.ports import AsyncSessions, AsyncSessionStore
    from reseal._async.thefts import AsyncThefts
    from reseal.clock import Clock
    from reseal.core.model import Scope
    from reseal.core.session_policy import Policies
    from reseal.core.tokens import TokenPair
    from reseal.event_emitter import EventEmitter
    from reseal.settings import Settings
    from reseal.web.context import RequestContext
    from reseal.web.transport import Transport

ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""
ELEVATED: Final = "elevated"
"""The reason in the event of a rotation by which a session got a level."""


class AsyncRenewing:
    """A part of :class:`reseal._async.token_families.AsyncTokenFamilies`."""

    if TYPE_CHECKING:
        policies: Policies
        _scope: Scope
        _store: AsyncSessionStore
        _emitter: EventEmitter
        _secrets: Callable[[], Any]
        _random: Callable[[int], bytes]
        _thefts: AsyncThefts

        async def live(self, handle: str, *, renewed: bool = False) -> tuple[SessionRecord, int]: ...

    async def renew(self, claims: Claims, change: Callable[[SessionRecord, int], bytes], caller: Caller) -> Step:
        """Rotate without a presented token, and write what ``change`` returns for the row and the new generation.

        The presented token becomes the previous one: who has missed this step presents it, and is given the successor.
        """
        for _ in range(ATTEMPTS):
            record, now = await self.live(claims.sid, renewed=True)
            record = replace(record, generation=max(record.generation, claims.gen))  # a store rolled back is behind
            keys, seal, of = self._secrets(), self._draw(refresh_token.SEAL_BYTES), record.generation + 1
            token = refresh_token.successor_by_hash(
                self._scope, keys.refresh_key, record.current_hash, claims.sid, of, keys.pepper, seal
            )
            step = Rotation(
                handle=claims.sid,
                presented_hash=record.current_hash,
                successor_hash=token.hash,
                successor_sealed=seal,
                idle_ms=self.policies[record.policy].lifetimes.idle_ms,
                device=caller.device,
            )
            following = rotation.advanced(replace(record, jwt_payload=change(record, of)), step, now)
            kept = self._thefts.confirmed(record, of)
            following = replace(following, version=record.version, policy=kept)
            reports = self._emitter.draft(EventName.SESSION_REFRESHED, caller, reason=ELEVATED)
            if await self._store.replace(self._scope, following, reports):
                self._emitter.emit_for(EventName.SESSION_REFRESHED, following, caller, reason=ELEVATED)
                await self._thefts.note_confirmed(record, following, now)
                return Step(following, token, now)
        raise StoreUnavailable

    def _successor_again(self, record: SessionRecord, token: RefreshToken) -> RefreshToken | None:
        """Derive the current token of a row from the previous one; ``None`` if the pepper is none of ours."""
        secrets, seal = self._secrets(), record.successor_sealed or b""
        for pepper in (secrets.pepper, *secrets.further_peppers):
            successor = refresh_token.successor_of(self._scope, secrets.refresh_key, token, pepper, seal)
            if hmac.compare_digest(successor.hash, record.current_hash):
                return successor
            successor = refresh_token.successor_by_hash(
                self._scope, secrets.refresh_key, token.hash, record.handle, record.generation, pepper, seal
            )
            if hmac.compare_digest(successor.hash, record.current_hash):
                return successor
        return None

    def _draw(self, size: int) -> bytes:
        """Draw random bytes; a source that gives fewer is refused."""
        random = self._random(size)
        if len(random) != size:
            raise ValueError(f"the random source gave {len(random)} bytes instead of {size}")
        return random


class AsyncElevating:
    """A part of :class:`reseal.AsyncEngine`."""

    if TYPE_CHECKING:
        settings: Settings
        _clock: Clock
        _families: AsyncRenewing

        async def keep_fresh(self) -> None: ...
        def _issue(self, step: Step) -> TokenPair: ...
        def _check_size(
            self, handle: str, user_id: str, generation: int, jwt_payload: bytes, csrf: str | None, kept: str | None
        ) -> None: ...

    async def elevate(
        self, claims: Claims, authentication: Mapping[str, object], for_ms: int, *, caller: Caller = NOBODY
    ) -> TokenPair:
        """Give the session of a verified token the claims of an authentication for ``for_ms``, and new tokens.

        No token from before gets these claims. Raises ``InvalidInput``, ``AccessTokenTooLarge``, ``Unauthorised``,
        ``StoreUnavailable``; after the last the session may have been elevated.
        """
        await self.keep_fresh()
        now = self._clock.wall()
        given, until = checked(authentication, now), elevation.end_of(now, for_ms)
        csrf = claims.csrf if self.settings.enable_anti_csrf else None

        def raised(record: SessionRecord, generation: int) -> bytes:
            wanted = elevation.raised(record.jwt_payload, given, until, generation)
            self._check_size(record.handle, record.user_id, generation, wanted, csrf, record.policy)
            return wanted

        return self._issue(await self._families.renew(claims, raised, caller.bounded()))


class AsyncRemoteElevating:
    """A part of :class:`reseal.AsyncRemote`."""

    if TYPE_CHECKING:
        _clock: Clock
        _tokens: Callable[..., Awaitable[TokenPair]]

        @staticmethod
        def _sendable(caller: Caller) -> Caller: ...

    async def elevate(
        self, claims: Claims, authentication: Mapping[str, object], for_ms: int, *, caller: Caller = NOBODY
    ) -> TokenPair:
        """Give the session of a verified token a level for a while. See :meth:`reseal.AsyncEngine.elevate`."""
        return await self._tokens(
            "elevate",
            repeatable=False,  # a repeat would be one more step of the family
            claims=claims,
            authentication=checked(authentication, self._clock.wall()),
            for_ms=elevation.end_of(0, for_ms),
            correlation_id=caller.correlation_id,
            caller=self._sendable(caller),
        )


class AsyncOwnLevel:
    """A part of :class:`reseal.AsyncSession`."""

    __slots__ = ()

    if TYPE_CHECKING:
        _sessions: AsyncSessions
        _claims: Claims
        _context: RequestContext
        _via: Transport

        def get_user_id(self) -> str: ...
        def _take(self, tokens: TokenPair) -> None: ...

    @awaited
    async def elevate(self, *, for_: int, **authentication: Unpack[AuthenticationOptions]) -> None:
        """Raise the level of this session for ``for_`` ms, after the user was authenticated once more.

        The client gets a new access token with ``auth_time`` (seconds; now if left out), ``amr`` and ``acr``, and a new
        refresh token. No token from before gets these claims; they end by themselves. Raises ``InvalidInput``,
        ``InvalidClaims`` while another user acts in this session, ``Unauthorised``, ``StoreUnavailable``, and
        ``RuntimeError`` once the response has begun.
        """
        self.get_user_id()  # raises for a visitor
        self._context.response.demand_unsent("elevate")
        actor.demand_own(self._claims.jwt_payload())
        try:
            tokens = await self._sessions.elevate(
                self._claims, named(authentication), for_, caller=self._context.caller
            )
        except Unauthorised as error:
            raise self._context.refuse(error, self._via) from None
        self._take(tokens)
