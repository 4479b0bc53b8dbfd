# Generated from src/reseal/_async/engine.py by tools/unasync.py; edit that file instead.
"""Sessions over a store, in this process: load, decide, write, and again if another writer won.

The engine knows tokens, not requests. The common refresh is one conditional statement; a row is read only where
that did not match. Verifying an access token does not wait at all.
"""

from __future__ import annotations

import hmac
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, Self

import msgspec

from reseal._sync.keyring import KeyRingKeeper
from reseal._sync.ports import Store
from reseal.clock import Clock, SystemClock
from reseal.core import payload, refresh_token, rotation
from reseal.core.access_token import Audience, Claims, Verifier, mint
from reseal.core.errors import (
    AccessTokenTooLarge,
    Refusal,
    StoreUnavailable,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import Caller, Event, EventListener, EventName
from reseal.core.model import Device, EndReason, Found, NewSession, Rotation, SessionRecord, TheftResponse
from reseal.core.refresh_token import RefreshToken
from reseal.core.tokens import TokenPair
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web.transport import access_token_limit

ATTEMPTS: Final = 8
"""How often a decision is taken anew because another writer won, before the store is called too busy."""
PURGE_EVERY: Final = 10_000
PURGE_ROWS: Final = 500
_ANTI_CSRF_SIZE: Final = 43
GROWTH: Final = 16
"""Bytes by which the access token of a session may still grow: digits of its generation."""
NOBODY: Final = Caller()


class Engine:
    """The sessions of one app and tenant. Use as ``with Engine(settings, store) as engine``.

    ``random(n)`` gives n bytes of a cryptographic source; ``on_event`` is called for each security event.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings = settings
        self._store = store
        self._clock = clock or SystemClock()
        self._random = random
        self._on_event = on_event
        self._scope = settings.scope
        self._policy = settings.policy
        self._keeper = KeyRingKeeper(settings, store, self._clock, random, on_event)
        self._audience = Audience(settings.token_issuer, settings.token_audience, self._scope.tenant_id)
        self._verifier = Verifier(self._keeper.ring, self._audience)
        self._purge_at = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Open the store and load the keys. Raises ``ConfigurationError`` or ``StoreUnavailable``."""
        self._store.open()
        try:
            self._verifier.use(self._keeper.open())
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        self._store.close()

    def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        """Begin a session. Raises ``InvalidInput``, ``AccessTokenTooLarge`` (nothing stored), ``StoreUnavailable``."""
        self.keep_fresh()
        user_id = payload.check_user_id(user_id)
        public = payload.encode("jwt_payload", jwt_payload)
        private = payload.encode("session_data", session_data)
        token = self._mint(str(uuid.UUID(bytes=self._random(16), version=4)), 0)
        self._check_size(self._claims(token.handle, user_id, 0, public, self._anti_csrf(token)))
        self._purge_a_little()
        record = self._store.insert(
            self._scope,
            NewSession(
                handle=token.handle,
                user_id=user_id,
                token_hash=token.hash,
                idle_ms=self.settings.idle_ms,
                absolute_ms=self.settings.absolute_ms,
                jwt_payload=public,
                session_data=private,
                device=caller.device,
            ),
        )
        if record is None:
            raise StoreUnavailable("the random source gave a session handle twice")
        self._tell(EventName.SESSION_CREATED, record, caller)
        return self._issue(record, token, record.created_at)

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token with the keys in memory. Raises ``TryRefreshToken``. Does not wait."""
        return self._verifier.verify(access_token, self._clock.wall() // 1000, expired_too=expired_too)

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Say whether the anti-CSRF token sent beside an access token is the one in it."""
        return anti_csrf is not None and claims.csrf is not None and _equal(claims.csrf, anti_csrf)

    def check(self, claims: Claims) -> SessionRecord:
        """Ask the store whether the session of a verified token is live, and confirm its generation.

        Raises ``Unauthorised`` if it is not, ``StoreUnavailable`` if the store did not answer.
        """
        for _ in range(ATTEMPTS):
            record, now = self._live(claims.sid)
            confirmed = rotation.confirmed(record, claims.gen, now)
            if confirmed is record or self._store.replace(self._scope, confirmed):
                return confirmed
        raise StoreUnavailable

    def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        """Exchange a refresh token for its successor.

        Raises ``Unauthorised`` (with the reason), ``TokenTheftDetected`` (after the policy's response was carried
        out) or ``StoreUnavailable`` (nothing is lost: the same token may be presented again).
        """
        self.keep_fresh()
        token = self._parse(presented, caller)
        if require_anti_csrf and not _equal(self._derive_anti_csrf(token), anti_csrf or ""):
            raise self._refused(Refusal.ANTI_CSRF, token.handle, caller)
        for _ in range(ATTEMPTS):
            rotated = self._rotate(token, caller)
            if rotated is not None:
                return rotated
            found = self._store.get(self._scope, token.handle)
            verdict = rotation.decide(found.record, token, found.now, self._policy)
            match verdict:
                case rotation.Replay():
                    replayed = self._replay(verdict, found, token, caller)
                    if replayed is not None:
                        return replayed
                case rotation.Reuse() if found.record is not None:
                    raise self._respond_to_theft(verdict, found.record, caller)
                case rotation.Refuse():
                    raise self._refused(verdict.reason, token.handle, caller)
        raise StoreUnavailable

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Of several refresh tokens that one browser sent, keep the newest genuine one of each session."""
        return refresh_token.newest_of_each_line(self._scope, self._keeper.ring.refresh_key, presented)

    def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised`` if there is none, ``StoreUnavailable``."""
        return (self._live(handle))[0]

    def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""
        return self._store.list_user(self._scope, user_id)

    def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
    ) -> SessionRecord:
        """Replace the session data, the JWT payload, or both; ``None`` leaves one as it is. The last writer wins.

        ``seen``: the verified token on whose behalf this happens; its generation counts as confirmed.

        Tokens already issued keep their payload; a refresh brings the new one. Raises ``InvalidInput``,
        ``AccessTokenTooLarge``, ``Unauthorised``, ``StoreUnavailable``; then nothing was changed.
        """
        private = None if session_data is None else payload.encode("session_data", session_data)
        public = None if jwt_payload is None else payload.encode("jwt_payload", jwt_payload)
        csrf = _ANTI_CSRF_SIZE * "c" if self.settings.enable_anti_csrf else None
        for _ in range(ATTEMPTS):
            record, now = self._live(handle)
            changed = replace(
                record,
                session_data=record.session_data if private is None else private,
                jwt_payload=record.jwt_payload if public is None else public,
            )
            if public is not None:
                self._check_size(self._claims(handle, record.user_id, record.generation, public, csrf))
            if seen is not None:
                changed = rotation.confirmed(changed, seen.gen, now)
            if self._store.replace(self._scope, changed):
                return changed
        raise StoreUnavailable

    def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        """Write a new access token of the same generation, with the payload that ``record`` has now."""
        self.keep_fresh()
        fresh = self._claims(record.handle, record.user_id, claims.gen, record.jwt_payload, claims.csrf)
        return self._pair(fresh, None, self._session_end(record, self._clock.wall()))

    def revoke(self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED) -> tuple[str, ...]:
        """End sessions; names those that this call ended. Acknowledged means: in the store."""
        ended = self._store.end(self._scope, handles, reason)
        self._tell_revoked(ended, None, reason)
        return ended

    def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        ended = self._store.end_user(self._scope, user_id, EndReason.USER_REVOKED, keep)
        self._tell_revoked(ended, user_id, EndReason.USER_REVOKED)
        return ended

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys, for others to verify our access tokens (RFC 7517)."""
        return self._keeper.ring.jwks()

    def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        kid = self._keeper.publish()
        self._verifier.use(self._keeper.ring)
        return kid

    def keep_fresh(self) -> None:
        """Follow changes of the key ring; cheap, to be called before verifying."""
        if self._keeper.is_due() and self._keeper.keep_fresh():
            self._verifier.use(self._keeper.ring)

    # -- one refresh ------------------------------------------------------------------------------------------------

    def _rotate(self, token: RefreshToken, caller: Caller) -> TokenPair | None:
        successor = self._mint(token.handle, token.generation + 1)
        sealed = refresh_token.seal(token, successor, self._keeper.pepper, self._random(refresh_token.NONCE_BYTES))
        record = self._store.rotate(
            self._scope,
            Rotation(
                handle=token.handle,
                presented_hash=token.hash,
                successor_hash=successor.hash,
                successor_sealed=sealed,
                idle_ms=self.settings.idle_ms,
                device=caller.device,
            ),
        )
        if record is None:
            return None
        self._tell(EventName.SESSION_REFRESHED, record, caller)
        return self._issue(record, successor, record.rotated_at)

    def _replay(
        self, verdict: rotation.Replay, found: Found, token: RefreshToken, caller: Caller
    ) -> TokenPair | None:
        record = verdict.record
        successor = refresh_token.open_seal(
            self._scope, self._keeper.ring.refresh_key, token, record.successor_sealed or b"", self._keeper.pepper
        )
        if successor is None or not hmac.compare_digest(successor.hash, record.current_hash):
            raise self._refused(Refusal.SUCCESSOR_UNREADABLE, token.handle, caller)
        if record is not found.record and not self._store.replace(self._scope, record):
            return None
        self._tell(EventName.SESSION_REPLAYED, record, caller)
        if verdict.in_step:
            self._tell(EventName.SESSION_IN_STEP, record, caller, other=record.device)
        return self._issue(record, successor, found.now)

    def _respond_to_theft(
        self, verdict: rotation.Reuse, record: SessionRecord, caller: Caller
    ) -> TokenTheftDetected:
        subtype = verdict.subtype.value
        response = self._policy.theft_response
        if response is TheftResponse.REVOKE_USER:
            # The others first: if the store fails here, the next try finds this session live and begins again.
            self.revoke_user(record.user_id, keep=record.handle)
        try:
            told = response is not TheftResponse.REPORT and not self._store.end(
                self._scope, (record.handle,), EndReason.THEFT
            )
        except StoreUnavailable:
            # It may have ended all the same, and then nobody meets this theft again.
            self._tell(EventName.TOKEN_THEFT, record, caller, reason=subtype, other=record.device)
            raise
        if not told:
            self._tell(EventName.TOKEN_THEFT, record, caller, reason=subtype, other=record.device)
        return TokenTheftDetected(record.user_id, record.handle, subtype)

    # -- tokens -----------------------------------------------------------------------------------------------------

    def _parse(self, presented: str, caller: Caller) -> RefreshToken:
        try:
            return refresh_token.parse(self._scope, self._keeper.ring.refresh_key, presented)
        except Unauthorised as error:
            raise self._refused(error.reason, None, caller) from None

    def _mint(self, handle: str, generation: int) -> RefreshToken:
        secret = self._random(refresh_token.SECRET_BYTES)
        return refresh_token.mint(self._scope, self._keeper.ring.refresh_key, handle, generation, secret)

    def _derive_anti_csrf(self, token: RefreshToken) -> str:
        return refresh_token.anti_csrf(self._keeper.ring.refresh_key, token)

    def _anti_csrf(self, token: RefreshToken) -> str | None:
        return self._derive_anti_csrf(token) if self.settings.enable_anti_csrf else None

    def _issue(self, record: SessionRecord, token: RefreshToken, store_now: int) -> TokenPair:
        claims = self._claims(
            record.handle, record.user_id, record.generation, record.jwt_payload, self._anti_csrf(token)
        )
        if self._policy.confirm_by_verify and record.confirmed_at is None and record.generation > 0:
            claims = msgspec.structs.replace(claims, unconfirmed=True)
        return self._pair(claims, token.text, self._session_end(record, store_now))

    def _claims(self, handle: str, user_id: str, generation: int, jwt_payload: bytes, csrf: str | None) -> Claims:
        now = self._clock.wall() // 1000
        return Claims(
            iss=self._audience.issuer,
            aud=self._audience.audience,
            sub=user_id,
            iat=now,
            exp=now + self.settings.access_token_validity,
            tid=self._audience.tenant_id,
            sid=handle,
            gen=generation,
            payload=msgspec.Raw(jwt_payload),
            csrf=csrf,
        )

    def _pair(self, claims: Claims, refresh: str | None, session_expires_at: int) -> TokenPair:
        if claims.exp > session_expires_at // 1000:  # no token outlives its session
            claims = msgspec.structs.replace(claims, exp=session_expires_at // 1000)
        key = self._keeper.ring.signing(self._clock.wall())
        return TokenPair(claims, mint(claims, key), refresh, claims.csrf, session_expires_at)

    def _session_end(self, record: SessionRecord, store_now: int) -> int:
        """Carry the end of a session from the store's clock to this process's, for the browser."""
        return self._clock.wall() + max(0, record.expires_at - store_now)

    def _check_size(self, claims: Claims) -> None:
        if self._policy.confirm_by_verify:
            claims = msgspec.structs.replace(claims, unconfirmed=True)  # as the tokens of its refreshes will say
        size = len(mint(claims, self._keeper.ring.signing(self._clock.wall()))) + GROWTH
        limit = access_token_limit(self.settings)
        if size > limit:
            raise AccessTokenTooLarge(size, limit, payload.largest_member(bytes(claims.payload)))

    # -- the store --------------------------------------------------------------------------------------------------

    def _live(self, handle: str) -> tuple[SessionRecord, int]:
        record, now = self._store.get(self._scope, handle)
        if record is None:
            raise Unauthorised(Refusal.UNKNOWN_SESSION)
        ended = rotation.why_ended(record, now)
        if ended is not None:
            raise Unauthorised(ended)
        return record, now

    def _purge_a_little(self) -> None:
        now = self._clock.monotonic()
        if now >= self._purge_at:
            self._purge_at = now + PURGE_EVERY
            self._store.purge(PURGE_ROWS)

    # -- events -----------------------------------------------------------------------------------------------------

    def _refused(self, reason: Refusal, handle: str | None, caller: Caller) -> Unauthorised:
        name = EventName.STORE_ROLLED_BACK if reason is Refusal.NEWER_THAN_STORE else EventName.REFRESH_REFUSED
        self._emit(name, caller, session_handle=handle, reason=reason.value)
        return Unauthorised(reason)

    def _tell_revoked(self, handles: Iterable[str], user_id: str | None, reason: EndReason) -> None:
        for handle in handles:
            self._emit(EventName.SESSION_REVOKED, NOBODY, session_handle=handle, user_id=user_id, reason=reason.value)

    def _tell(
        self,
        name: EventName,
        record: SessionRecord,
        caller: Caller,
        *,
        reason: str | None = None,
        other: Device | None = None,
    ) -> None:
        self._emit(
            name,
            caller,
            session_handle=record.handle,
            user_id=record.user_id,
            reason=reason,
            other_device=other,
        )

    def _emit(
        self,
        name: EventName,
        caller: Caller,
        *,
        session_handle: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        other_device: Device | None = None,
    ) -> None:
        self._on_event(
            Event(
                name=name,
                at=self._clock.wall(),
                scope=self._scope,
                session_handle=session_handle,
                user_id=user_id,
                reason=reason,
                device=caller.device,
                other_device=other_device,
                correlation_id=caller.correlation_id,
            )
        )


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))
