# Generated from src/reseal/_async/binding.py by tools/unasync.py; edit that file instead.
"""Sessions that are bound to a device: the proof that a refresh needs, and how a session is bound."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from reseal._sync.dpop import DpopCalls, KeyBinding, RemoteProofs
from reseal.core import actor, attempt, binding, proofs, rotation
from reseal.core.access_token import Claims, Confirmation
from reseal.core.binding import Binding, StaleChallenge
from reseal.core.dpop import SCHEME, Proven
from reseal.core.errors import ProofDemanded, Refusal, StoreUnavailable, Unauthorised
from reseal.core.events import NOBODY, Caller, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Scope, SessionRecord
from reseal.core.proofs import DeviceKey, ProofRefused
from reseal.core.refresh_token import RefreshToken

if TYPE_CHECKING:
    from reseal._sync.ports import SessionStore
    from reseal._sync.thefts import Thefts
    from reseal.clock import Clock
    from reseal.core.session_policy import BeginOptions, Policies
    from reseal.core.tokens import TokenPair
    from reseal.event_emitter import EventEmitter
    from reseal.settings import Settings

ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""


KEY_GROWTH: Final = 88
"""Bytes by which an access token grows once its session is bound: the thumbprint of the key."""


class Proving(KeyBinding):
    """A part of :class:`reseal._sync.token_families.TokenFamilies`."""

    if TYPE_CHECKING:
        _scope: Scope
        _store: SessionStore
        _emitter: EventEmitter
        _secrets: Callable[[], Any]
        _thefts: Thefts
        _binds: bool
        policies: Policies

        def refused(
            self, reason: Refusal, handle: str | None, caller: Caller, record: SessionRecord | None = None
        ) -> Unauthorised: ...
        def parse(self, presented: str, caller: Caller) -> RefreshToken: ...
        def anti_csrf(self, token: RefreshToken) -> str: ...
        def live(self, handle: str) -> tuple[SessionRecord, int]: ...

    def challenge(self, handle: str, generation: int, until: int) -> str:
        """Write the challenge that a device signs to refresh from this generation, good until then (ms)."""
        return binding.challenge(self._scope, self._secrets().refresh_key, handle, generation, until)

    def attempt_of(self, record: SessionRecord | None, token: RefreshToken, proof: str | Proven | None) -> bytes | None:
        """Return the hash of the attempt key of whoever proves the session's key: it is always the same client.

        So no number of lost responses makes it look like two. The proof itself is demanded before anything is done.
        """
        if not self._binds or record is None or record.policy is None or proof is None:
            return None
        bound = _binding_of(record)
        return attempt.hash_of(token, bound.thumbprint) if bound is not None and bound.is_bound else None

    def demand_proof(
        self,
        record: SessionRecord,
        token: RefreshToken,
        proof: str | Proven | None,
        caller: Caller,
        now: int,
        verdict: rotation.Verdict,
    ) -> None:
        """Let only the device refresh a session that is bound to one.

        A token from before it was bound, without a proof, is reused as in any other session: a thief may have bound it.

        Raises ``ProofDemanded``, and ``Unauthorised`` after an event for a proof that is not of this device; the
        session and its line stay as they are.
        """
        bound = _binding_of(record) if self._binds else None
        if bound is None or not bound.is_bound:
            return
        if proof is None and token.generation < bound.first and isinstance(verdict, rotation.Reuse):
            return
        if bound.kind == "dpop" or isinstance(proof, Proven):
            self.demand_key(bound, record, proof, caller)
            return
        generation = max(record.generation, token.generation)  # a store that was rolled back is behind
        until = now + binding.CHALLENGE_LIFE
        if proof is None:
            raise ProofDemanded(self.challenge(record.handle, generation, until))
        try:
            shown = proofs.read(proof, binding.BROWSER_PROOF, (bound.algorithm,), bound.key)
            self._check_challenge(record.handle, generation, shown.claims.get("jti"), now)
        except StaleChallenge:
            raise ProofDemanded(self.challenge(record.handle, generation, until)) from None
        except ProofRefused as error:
            raise self._refuse_proof(record, caller, error) from None

    def bind(self, token: RefreshToken, proof: str, caller: Caller) -> tuple[SessionRecord, int]:
        """Bind the session of a refresh token to the key that a proof brings. Binding it again to this key is no error.

        Gives the session and the store's time. Raises ``Unauthorised``, ``SessionHeld``, ``StoreUnavailable``.
        """
        for _ in range(ATTEMPTS):
            record, now = self.live(token.handle)
            self._thefts.demand_free(record, now, token, caller)
            key = self._brought(record, token, proof, caller, now)
            kept = binding.bound(record.policy, key, now, token.generation)
            if kept is None:
                raise self._refuse_proof(record, caller, ProofRefused("the session is bound to another key"))
            if kept == record.policy:
                return record, now
            following = self._bound(rotation.confirmed(record, token.generation, now), kept)
            reports = self._emitter.draft(EventName.SESSION_BOUND, caller)
            if self._store.replace(self._scope, following, reports):
                self._emitter.emit_for(EventName.SESSION_BOUND, following, caller)
                return replace(following, version=record.version + 1), now
        raise StoreUnavailable

    def _bound(self, record: SessionRecord, kept: str) -> SessionRecord:
        """Return a session with the ends that it has once it is bound: one that must be bound ends soon until then."""
        bound = _binding_of(record)
        following = replace(record, policy=kept)
        if bound is None or bound.kind != "require":
            return following
        idle_ms, absolute_ms = self.policies[kept].lifetimes
        absolute = None if absolute_ms is None else record.created_at + absolute_ms
        ends = min(each for each in (record.rotated_at + idle_ms, absolute) if each is not None)
        return replace(following, expires_at=ends, absolute_expires_at=absolute)

    def _brought(self, record: SessionRecord, token: RefreshToken, proof: str, caller: Caller, now: int) -> DeviceKey:
        """Read the key that a proof brings. Only who holds the session's newest tokens may bind it."""
        newest = record.current_hash, record.previous_hash or b""
        if not any(hmac.compare_digest(token.hash, each) for each in newest):
            raise self.refused(Refusal.BINDING, record.handle, caller, record)
        try:
            shown = proofs.read(proof, binding.BROWSER_PROOF, binding.BROWSER_ALGORITHMS)
            self._check_challenge(record.handle, record.generation, shown.claims.get("jti"), now)
        except ProofRefused as error:
            raise self._refuse_proof(record, caller, error) from None
        return shown.key

    def _check_challenge(self, handle: str, generation: int, text: object, now: int) -> None:
        binding.check_challenge(self._scope, self._secrets().refresh_key, handle, generation, text, now)

    def _refuse_proof(self, record: SessionRecord, caller: Caller, error: ProofRefused) -> Unauthorised:
        self._emitter.emit_for(EventName.BINDING_REFUSED, record, caller, reason=str(error))
        return Unauthorised(Refusal.BINDING)


class BindingCalls(DpopCalls):
    """A part of :class:`reseal.Engine`."""

    if TYPE_CHECKING:
        settings: Settings
        _clock: Clock
        _families: Proving
        _policies: Policies

        def keep_fresh(self) -> None: ...
        def _claims(self, *of: Any) -> Claims: ...
        def _pair(
            self, claims: Claims, refresh: str | None, session_end: int, now: int, record: SessionRecord
        ) -> TokenPair: ...

    def bind(self, presented: str, proof: str, *, caller: Caller = NOBODY) -> TokenPair:
        """Bind the session of a refresh token to the key that a browser's proof brings; gives a new access token.

        Raises ``Unauthorised`` (reason ``binding``: the proof is none, or the session is bound to another key),
        ``SessionHeld``, ``StoreUnavailable``.
        """
        self.keep_fresh()
        caller = caller.bounded()
        token = self._families.parse(presented, caller)
        record, at = self._families.bind(token, proof, caller)
        csrf = self._families.anti_csrf(token) if self.settings.enable_anti_csrf else None
        now, generation = self._clock.wall(), token.generation
        claims = self._claims(record.handle, record.user_id, generation, record.jwt_payload, csrf, now)
        return self._pair(claims, None, now + max(0, record.expires_at - at), now, record)

    def _wished(self, options: BeginOptions, kept: str | None, user_id: str, public: bytes) -> str | None:
        """Return what a new session keeps: its key, or that it must be bound or must not, if not as the settings say.

        Without a key, one with an end of its own keeps nothing, nor does that of a visitor, who is nobody yet, or of
        somebody who acts as its user.
        """
        usual = self.settings.device_binding
        wish = options.get("device_binding") or self._policies[kept].device_binding or usual
        proof = options.get("proof")
        if proof is not None and wish != "off":
            return self._bound_at_once(proof, kept, options.get("caller", NOBODY).bounded())
        if actor.stored(public):
            return kept
        if wish == "offer" or options.get("lifetime_ms") is not None or user_id == ANONYMOUS:
            return kept
        return binding.joined(Binding(wish, self._clock.wall()), kept)

    def _ending_with(self, claims: Claims, fresh: Claims, record: SessionRecord) -> Claims:
        """Return the claims of an access token in place of another one: without a refresh, a thief gains no time.

        Other sessions are refreshed by whoever has their tokens, so that an end would keep nobody out.
        """
        kept = record.policy
        if kept is None or not (binding.is_bound(kept) or self._policies[kept].hold.concerns(claims.gen)):
            return fresh
        return msgspec.structs.replace(fresh, exp=min(fresh.exp, claims.exp))

    def _challenged(self, pair: TokenPair, record: SessionRecord) -> TokenPair:
        """Add the challenge for the device's next proof; it is good for as long as the access token, and some more."""
        bound = _binding_of(record)
        if bound is not None and bound.kind in {"off", "dpop"}:
            return pair
        until = pair.claims.exp * 1000 + binding.CHALLENGE_LIFE
        text = self._families.challenge(record.handle, record.generation, until)
        return msgspec.structs.replace(pair, challenge=text)


class RemoteBinding(RemoteProofs):
    """A part of :class:`reseal.Remote`."""

    if TYPE_CHECKING:
        _tokens: Callable[..., TokenPair]

        @staticmethod
        def _sendable(caller: Caller) -> Caller: ...

    def bind(self, presented: str, proof: str, *, caller: Caller = NOBODY) -> TokenPair:
        """Bind the session of a refresh token to the key that a proof brings. See :meth:`reseal.Engine.bind`."""
        return self._tokens(
            "bind",
            repeatable=True,
            presented=presented,
            proof=proof,
            correlation_id=caller.correlation_id,
            caller=self._sendable(caller),
        )


def confirmed_by(claims: Claims, record: SessionRecord) -> Claims:
    """Name the key that a session is bound to in the claims of its token."""
    bound = _binding_of(record)
    if bound is None or not bound.is_bound:
        return claims
    scheme = SCHEME if bound.kind == "dpop" else None
    return msgspec.structs.replace(claims, cnf=Confirmation(bound.thumbprint), scheme=scheme)


def _binding_of(record: SessionRecord) -> Binding | None:
    """Read the binding of a session. One of a later version is not known here, and so nothing is decided by it."""
    try:
        return binding.split(record.policy)[0]
    except msgspec.DecodeError:
        raise StoreUnavailable("the session has a binding that this version does not know") from None


def of_session(handle: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the tokens of the session that the browser names. Raises ``Unauthorised`` if there is none."""
    own = tuple(token for token in candidates if f".{handle}." in token)
    if not own:
        raise Unauthorised(Refusal.BINDING)
    return own


def still_good(held: list[Claims], now: int) -> Claims | None:
    """Return what a page that refreshes a bound session may go on with: its browser has just refreshed by itself."""
    good = [each for each in held if each.cnf is not None and each.exp * 1000 > now]
    return max(good, key=lambda each: each.gen, default=None)
