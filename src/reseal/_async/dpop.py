"""Sessions that a client binds by DPoP (RFC 9449): at a sign-in or a refresh, and what each request must show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from reseal.core import base64url, binding, rotation
from reseal.core.dpop import NONCE_LIFE, USED, DpopRefused, ProofChecker, Proven, Shown
from reseal.core.events import Caller, EventName
from reseal.core.proofs import ProofRefused
from reseal.web import dpop
from reseal.web.context import RequestContext
from reseal.web.headers import SessionHeaders
from reseal.web.transport import Transport

if TYPE_CHECKING:
    from reseal._async.beginning import Step
    from reseal._async.ports import AsyncSessions, AsyncSessionStore, AsyncStore
    from reseal._async.remote_calls import AsyncCalls
    from reseal.clock import Clock
    from reseal.core.access_token import Claims
    from reseal.core.binding import Binding
    from reseal.core.model import Scope, SessionRecord
    from reseal.core.refresh_token import RefreshToken
    from reseal.core.tokens import TokenPair
    from reseal.event_emitter import EventEmitter
    from reseal.settings import Settings
    from reseal.web.presented import Presented

NOT_SO: Final = "invalid_dpop_proof"
WRONG_TOKEN: Final = "invalid_token"


class AsyncDpopCalls:
    """A part of :class:`reseal.AsyncEngine`."""

    if TYPE_CHECKING:
        settings: Settings
        proofs: ProofChecker
        _store: AsyncStore
        _emitter: EventEmitter
        _families: AsyncKeyBinding
        _clock: Clock

        def _issue(self, step: Step) -> TokenPair: ...

    async def _proven(self, shown: Shown, caller: Caller, handle: str | None = None) -> Proven:
        """Check a proof that is good once, in whichever process. Raises ``DpopRefused``, after an event."""
        try:
            proven, problem = self.proofs.check(shown), USED
        except ProofRefused as error:
            proven, problem = None, str(error)
        if proven is not None:
            until = proven.until + NONCE_LIFE  # the store may be ahead: what has ended there cannot be claimed
            if await self._store.claim(self.settings.scope, proven.name, until) or shown.again:
                return proven
        self._emitter.emit(EventName.BINDING_REFUSED, caller, session_handle=handle, reason=problem)
        raise DpopRefused(NOT_SO, problem)

    async def _bound_at_once(self, shown: Shown, kept: str | None, caller: Caller) -> str | None:
        """Return what a session keeps that begins with a proof."""
        key = (await self._proven(shown, caller)).key
        return binding.bound(kept, key, self._clock.wall(), 0, "dpop")

    def _beginning(self, kept: str) -> Any:
        """Return what begins a session that keeps something."""
        return self._families.begin_bound if binding.is_bound(kept) else self._families.begin

    async def _advance_proven(self, token: RefreshToken, caller: Caller, shown: Shown) -> TokenPair:
        """Refresh with a proof, and bind the session to its key if it is not bound.

        The key counts as the attempt key: who has it is one client, so that no lost response looks like theft.
        """
        proven = await self._proven(shown, caller, token.handle)
        step = await self._families.advance(token, caller, proven.thumbprint, proven)
        pair = self._issue(await self._families.bind_advanced(step, proven, caller))
        return pair if pair.claims.scheme is None else replace(pair, challenge=proven.nonce or None)

    async def nonce_key(self) -> str:
        """Return the key of nonces, for those who check proofs in the place of this engine."""
        return base64url.encode(self.proofs.key())


class AsyncKeyBinding:
    """A part of :class:`reseal._async.token_families.AsyncTokenFamilies`."""

    if TYPE_CHECKING:
        _scope: Scope
        _store: AsyncSessionStore
        _emitter: EventEmitter

        async def begin(self, *args: Any, **options: Any) -> Step: ...
        async def advance(
            self, token: RefreshToken, caller: Caller, attempt_key: str | None, proof: Proven
        ) -> Step: ...
        def _bound(self, record: SessionRecord, kept: str) -> SessionRecord: ...
        async def live(self, handle: str) -> tuple[SessionRecord, int]: ...

    async def begin_bound(
        self, token: RefreshToken, user_id: str, public: bytes, private: bytes, caller: Caller, **options: Any
    ) -> Step:
        """Store a new session that is bound from its beginning."""
        reports = self._emitter.draft(EventName.SESSION_BOUND, caller)
        step = await self.begin(token, user_id, public, private, caller, reports=reports, **options)
        self._emitter.emit_for(EventName.SESSION_BOUND, step.record, caller)
        return step

    def demand_key(self, bound: Binding, record: SessionRecord, proof: object, caller: Caller) -> None:
        """Let only the key refresh a session that is bound to one by DPoP. Raises ``DpopRefused`` after an event."""
        if bound.kind != "dpop":
            problem = "the session is bound to a browser"
        elif not isinstance(proof, Proven):
            problem = "the proof is missing"
        elif proof.thumbprint != bound.thumbprint:
            problem = "the key is not that of the session"
        else:
            return
        raise self._refuse_key(record, caller, problem)

    async def bind_advanced(self, step: Step, proven: Proven, caller: Caller) -> Step:
        """Bind a session that has just been refreshed, unless it is bound, or is not to be.

        Its new token counts as confirmed: what is from before and comes without a proof is reused. Where another
        refresh has overtaken this one, the session stays as it is until the next. Raises ``DpopRefused`` if it has been
        bound to another key meanwhile.
        """
        record, now = step.record, step.store_now
        while record.generation == step.record.generation:
            present = binding.split(record.policy)[0]
            if present is not None and present.is_bound:
                self.demand_key(present, record, proven, caller)
            if present is not None and present.kind != "require":
                return replace(step, record=record)
            kept = binding.bound(record.policy, proven.key, now, record.generation, "dpop")
            following = self._bound(rotation.confirmed(record, record.generation, now), kept or "")
            reports = self._emitter.draft(EventName.SESSION_BOUND, caller)
            if await self._store.replace(self._scope, following, reports):
                self._emitter.emit_for(EventName.SESSION_BOUND, following, caller)
                return replace(step, record=replace(following, version=record.version + 1))
            record, now = await self.live(record.handle)
        return step

    def _refuse_key(self, record: SessionRecord, caller: Caller, problem: str) -> DpopRefused:
        self._emitter.emit_for(EventName.BINDING_REFUSED, record, caller, reason=problem)
        return DpopRefused(NOT_SO, problem)


class AsyncRemoteProofs:
    """A part of :class:`reseal.AsyncRemote`, which checks the proofs beside access tokens by itself."""

    if TYPE_CHECKING:
        settings: Settings
        _calls: AsyncCalls
        _clock: Clock

    def _begin_proofs(self) -> None:
        self._nonce_key = b""
        self.proofs = checker(self.settings, lambda: self._nonce_key, self._clock.wall)

    async def _learn_nonce_key(self) -> None:
        """Get the key of nonces, so that those of the service and of other processes are good here."""
        if self.settings.device_binding != "off":
            self._nonce_key = base64url.decode(await self._calls.call("nonce_key", str, repeatable=True))


def checker(settings: Settings, key: Callable[[], bytes], wall: Callable[[], int]) -> ProofChecker:
    """Make what checks proofs by these settings."""
    return ProofChecker(settings.scope, int(settings.dpop_proof_age * 1000), key, wall)


def demand(sessions: AsyncSessions, presented: Presented, via: Transport, claims: Claims) -> None:
    """Demand the proof beside a verified access token, which needs one, or came as if it did. Does not wait.

    Raises ``DpopRefused``, after an event and with the headers that say so.
    """
    try:
        nonce = _checked(sessions, presented, via, claims)
    except DpopRefused as error:
        if isinstance(presented, RequestContext):
            presented.refuse(error)
            if not error.challenge:
                name, of = EventName.BINDING_REFUSED, presented.caller
                presented.events.emit(name, of, session_handle=claims.sid, user_id=claims.sub, reason=error.problem)
        raise
    if nonce and isinstance(presented, RequestContext) and not presented.response.sent:
        presented.outgoing.publish(dpop.NONCE, nonce)


def of_this_client(sessions: AsyncSessions, presented: Presented, held: Iterable[Claims]) -> list[Claims]:
    """Keep the access tokens that the client shows to be its own: a copied one of a bound session ends nothing."""
    return [each for each in held if each.scheme is None or _is_own(sessions, presented, each)]


def _is_own(sessions: AsyncSessions, presented: Presented, claims: Claims) -> bool:
    try:
        _checked(sessions, presented, Transport.HEADER, claims)
    except DpopRefused:
        return False
    return True


def _checked(sessions: AsyncSessions, presented: Presented, via: Transport, claims: Claims) -> str:
    if claims.scheme is None or claims.cnf is None:
        raise DpopRefused(WRONG_TOKEN, "the token is bound to no key: send it as Bearer")
    token = presented.access_header
    if via is Transport.COOKIE or token is None or not dpop.is_scheme(presented.authorization_lines):
        raise DpopRefused(WRONG_TOKEN, "the token is bound to a key: send it as DPoP, with a proof")
    shown = dpop.read(presented.request, presented.settings)
    if shown is None:
        raise DpopRefused(NOT_SO, "the proof is missing")
    answered = presented.response if isinstance(presented, RequestContext) else SessionHeaders()
    try:
        proven = sessions.proofs.check_once(shown, claims.cnf.jkt, token, answered.proofs)
    except ProofRefused as error:
        raise DpopRefused(NOT_SO, str(error)) from None
    answered.proofs += (proven.name,)
    return proven.nonce


def proof_at_begin(context: RequestContext, via: Transport) -> Shown | None:
    """Return the proof that a new session begins with; those in cookies begin with none."""
    if via is Transport.COOKIE or context.settings.device_binding == "off":
        return None
    shown = dpop.read(context.request, context.settings)
    return shown and replace(shown, again=shown.proof in context.response.proofs)


async def with_proof(context: RequestContext, via: Transport, begin: Callable[..., Awaitable[TokenPair]]) -> TokenPair:
    """Begin a session with the proof of a request. A refusal tells the client which proof is wanted.

    Another failure may be mended within the same request, as that of a user who has too many sessions.
    """
    proof = proof_at_begin(context, via)
    try:
        return await begin(proof=proof)
    except DpopRefused as error:
        proof = None
        raise context.refuse(error) from None
    finally:
        if proof is not None:
            context.response.proofs += (proof.proof,)
