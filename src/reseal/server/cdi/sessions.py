"""The tokens of the core-driver interface for one app, over a store: create, verify, refresh, regenerate.

Values in, values out: which fields a version of the interface shows is the business of ``wire``. The state machine is
that of the native engine; what differs is the access token, and who confirms: under CDI 5.5 and older the first access
token after a refresh names its parent, so the SDK brings it here, and gets a plain one back.
"""

from __future__ import annotations

import hmac
import os
import uuid
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import structs
from msgspec.structs import replace

from reseal._async.beginning import Step
from reseal._async.keyring import AsyncKeyRingKeeper
from reseal._async.ports import AsyncStore
from reseal._async.token_families import AsyncTokenFamilies
from reseal._async.waiting import briefly
from reseal.cdi import access_tokens, refresh_tokens, signing
from reseal.cdi.access_tokens import CdiClaims
from reseal.cdi.keys import cdi_keys
from reseal.cdi.model import AppSettings, BranchRotatedOut, Issued, SessionFacts, TokenFacts, Verified
from reseal.cdi.verifier import CdiVerifier
from reseal.clock import Clock
from reseal.core import elevation, payload
from reseal.core.confirmation import seen_by_hash
from reseal.core.errors import InvalidInput, Refusal, TryRefreshToken, Unauthorised
from reseal.core.events import NOBODY, Caller, EventListener, EventOutbox
from reseal.core.handles import suffix_of, tenant_of
from reseal.core.holding import SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.core.key_ring import KeyRing
from reseal.core.keys import Wrapping
from reseal.core.model import SessionRecord
from reseal.server.cdi.families import CdiTokenFamilies
from reseal.server.cdi.records import CdiRecords, is_user_id

ANTI_CSRF_FAILED: Final = "anti-csrf check failed"


class CdiSessions:
    """One app's sessions, as SDKs call for them."""

    def __init__(
        self,
        app: AppSettings,
        store: AsyncStore,
        clock: Clock,
        wrapping: Wrapping,
        *,
        random: Callable[[int], bytes] = os.urandom,
        on_event: EventListener,
        event_outbox: EventOutbox,
        verifier: CdiVerifier,
    ) -> None:
        """``verifier``: one for all apps of a process, which bounds its memory."""
        self.app = app
        self._verifier = verifier
        self._clock = clock
        policy = cdi_keys(app.signing_algorithm, interval_ms=app.key_interval_ms, token_ms=app.access_token_ms)
        self._keeper = AsyncKeyRingKeeper(app.app_id, policy, store, wrapping, clock, random)
        self._lines = CdiTokenFamilies(app, store, clock, self._keeper.secrets, random, on_event, event_outbox)
        self.records: CdiRecords = CdiRecords(self._lines)

    def signing_since(self) -> int | None:
        """Return since when (ms) the present key has been signing; ``None`` after a while without use."""
        return self._keeper.signing_since()

    async def ring(self) -> KeyRing:
        """Return the app's signing keys, up to date."""
        keeper = self._keeper
        if not keeper.ring.keys:
            await keeper.open_once()
        if keeper.is_due():
            await briefly(keeper.keep_fresh)
        return keeper.ring

    async def rotate_keys(self) -> str:
        """Publish a new dynamic key; it signs a minute later. Gives its ``kid``."""
        await self.ring()
        return await self._keeper.rotate()

    async def create(
        self,
        tenant_id: str,
        user_id: str,
        jwt_payload: Mapping[str, Any],
        session_data: Mapping[str, Any],
        *,
        version: int,
        anti_csrf: bool,
        static_key: bool,
        access_ms: int | None = None,
        caller: Caller = NOBODY,
    ) -> Issued:
        """Begin a session. Raises ``InvalidInput``, ``ProtectedClaim`` (nothing stored), ``StoreUnavailable``."""
        await self.ring()
        if not is_user_id(user_id):
            raise InvalidInput("userId", "cannot be stored")
        public = payload.encode("userDataInJWT", jwt_payload)
        private = payload.encode("userDataInDatabase", session_data)
        access_tokens.check_payload(version, public)
        signing.check_size(user_id, tenant_id, public)
        line = self._lines.of(tenant_id)
        token = line.new_token(suffix_of(tenant_id))
        step = await line.begin(token, user_id, public, private, caller, use_static_key=static_key)
        return self._issue(line, step, tenant_id, None, version=version, anti_csrf=anti_csrf, access_ms=access_ms)

    async def verify(
        self,
        access_token: str,
        *,
        anti_csrf: str | None,
        check_anti_csrf: bool,
        check_database: bool,
        stateless: bool = False,
    ) -> Verified:
        """Verify an access token; asks the store only on request, or if the token names its parent.

        ``stateless`` (CDI 5.6): never writes, never gives a new token. Raises ``TryRefreshToken``, ``Unauthorised``.
        """
        claims = await self._claims(access_token)
        if check_anti_csrf:
            _check_anti_csrf(claims, anti_csrf)
        tenant_id = tenant_of(claims.handle)
        facts = SessionFacts(claims.handle, claims.user_id, tenant_id, claims.payload)
        line = self._lines.of(tenant_id)
        if claims.parent_hash is not None and not stateless:  # the statement that confirms says whether it lives
            return await self._confirm(line, claims, facts, may_be_stale=check_database)
        record = (await line.live(claims.handle))[0] if check_database else None
        stale = record is not None and _is_stale(claims, record)
        if stateless:
            if record is not None and not _is_of_family(claims, record):
                raise BranchRotatedOut
            return Verified(facts, payload_update_available=stale)
        return await self._confirm(line, claims, facts, may_be_stale=True) if stale else Verified(facts)

    async def refresh(
        self,
        refresh_token: str,
        *,
        version: int,
        anti_csrf: str | None,
        check_anti_csrf: bool,
        with_anti_csrf: bool,
        use_dynamic_key: bool | None,
        graceful: bool = False,
        access_ms: int | None = None,
        caller: Caller = NOBODY,
    ) -> Issued:
        """Exchange a refresh token.

        Raises ``Unauthorised``, ``TokenTheftDetected``, ``ProtectedClaim`` (the payload stored under an older version
        does not fit the newer token), ``StoreUnavailable``.
        """
        await self.ring()
        native, carries_anti_csrf = refresh_tokens.read(refresh_token)
        tenant_id = tenant_of(refresh_tokens.handle_of(native))
        line = self._lines.of(tenant_id, graceful=graceful)
        presented = line.parse(native, caller)
        if check_anti_csrf and carries_anti_csrf and not _equal(_as_uuid(line.anti_csrf(presented)), anti_csrf):
            raise line.refused(Refusal.ANTI_CSRF, presented.handle, caller)
        try:
            step = await line.advance(presented, caller)
        except SessionHeld:  # of a native session: this interface has no reply for it
            raise Unauthorised(Refusal.THEFT) from None
        if step.record.user_id == ANONYMOUS:  # of a native session: SDKs would take all visitors for one user
            raise Unauthorised(Refusal.NOT_SIGNED_IN)
        if use_dynamic_key is not None and step.record.use_static_key is use_dynamic_key:
            relabelled = await line.change(
                presented.handle, lambda record, _now: replace(record, use_static_key=not use_dynamic_key)
            )
            step = replace(step, record=replace(step.record, use_static_key=relabelled.use_static_key))
        parent = None if graceful or step.record.confirmed_at is not None else presented.hash.hex()
        return self._issue(
            line, step, tenant_id, parent, version=version, anti_csrf=with_anti_csrf, access_ms=access_ms
        )

    async def regenerate(
        self, access_token: str, jwt_payload: Mapping[str, Any] | None, *, protected_for: int
    ) -> Verified:
        """Replace the payload of a session and write its access token anew, with the life that it had left.

        ``protected_for``: token version whose names are refused, beside those of the token itself. Old cores believed
        a token here without verifying it; this one does not. An expired token gives no new one.
        """
        now = self._clock.wall()
        try:
            claims = await self._claims(access_token, expired_too=True)
        except TryRefreshToken as error:
            raise Unauthorised(Refusal.MALFORMED) from error
        public = None if jwt_payload is None else payload.encode("userDataInJWT", jwt_payload)
        if public is not None:
            access_tokens.check_payload(max(claims.version, protected_for), public)
            signing.check_size(claims.user_id, claims.tenant_id, public)
        line = self._lines.of(tenant_of(claims.handle))
        record = await line.change(
            claims.handle,
            lambda r, _now: r if public is None else replace(r, jwt_payload=elevation.kept(r.jwt_payload, public)),
        )
        facts = _facts(record, tenant_of(claims.handle))
        if claims.expires_ms < now:
            return Verified(facts)
        fresh = structs.replace(claims, payload=facts.jwt_payload, issued_ms=now)
        return Verified(facts, signing.sign(fresh, self._keeper.ring, now, static_key=record.use_static_key))

    async def sign_jwt(self, claims: Mapping[str, Any], issuer: str, validity_s: int, *, dynamic: bool) -> str:
        """Sign an application's own JWT. Raises ``InvalidInput``."""
        ring, now = await self.ring(), self._clock.wall()
        return signing.sign_own(claims, ring, now, issuer=issuer, validity_s=validity_s, dynamic=dynamic)

    async def _claims(self, access_token: str, *, expired_too: bool = False) -> CdiClaims:
        """Check an access token; keys are read once more if they may be what is wrong."""
        ring, now = await self.ring(), self._clock.wall()
        try:
            return self._verifier.verify(access_token, ring, now, expired_too=expired_too)
        except TryRefreshToken as error:
            if error.reason not in {access_tokens.NO_KEY, access_tokens.UNVERIFIED}:
                raise
            newer = await self._keeper.look_again()
            if newer is ring:
                raise
        return self._verifier.verify(access_token, newer, now, expired_too=expired_too)

    async def _confirm(
        self, line: AsyncTokenFamilies, claims: CdiClaims, facts: SessionFacts, *, may_be_stale: bool
    ) -> Verified:
        """Note that this generation is in use, and exchange its first access token for one without a parent."""
        now = self._clock.wall()
        record, store_now = await line.confirm(seen_by_hash(claims.handle, claims.refresh_hash))
        if not _is_current(claims, record) and not (may_be_stale and _is_stale(claims, record)):
            return Verified(facts)
        fresh = structs.replace(
            claims,
            parent_hash=None,
            payload=elevation.without(record.jwt_payload),
            issued_ms=now,
            expires_ms=now + self._access_ms(None, record, store_now),
        )
        token = signing.sign(fresh, self._keeper.ring, now, static_key=record.use_static_key)
        return Verified(_facts(record, facts.tenant_id), token)

    def _issue(
        self,
        line: AsyncTokenFamilies,
        step: Step,
        tenant_id: str,
        parent_hash: str | None,
        *,
        version: int,
        anti_csrf: bool,
        access_ms: int | None,
    ) -> Issued:
        now, record = self._clock.wall(), step.record
        csrf = _as_uuid(line.anti_csrf(step.token)) if anti_csrf else None
        claims = CdiClaims(
            version=version,
            handle=record.handle,
            user_id=record.user_id,
            recipe_user_id=record.user_id,
            tenant_id=tenant_id,
            refresh_hash=step.token.hash.hex(),
            parent_hash=parent_hash,
            anti_csrf=csrf,
            payload=elevation.without(record.jwt_payload),
            issued_ms=now,
            expires_ms=now + self._access_ms(access_ms, record, step.store_now),
        )
        refresh = TokenFacts(
            refresh_tokens.write(step.token.text, anti_csrf=anti_csrf), now + record.expires_at - step.store_now, now
        )
        access = signing.sign(claims, self._keeper.ring, now, static_key=record.use_static_key)
        return Issued(_facts(record, tenant_id), access, refresh, csrf)

    def _access_ms(self, asked: int | None, record: SessionRecord, store_now: int) -> int:
        """Return the lifetime of an access token, which never passes the absolute limit of its session."""
        full = signing.access_ms(self.app, asked, record.current_hash)
        end = record.absolute_expires_at
        return full if end is None else min(full, end - store_now)


def _facts(record: SessionRecord, tenant_id: str) -> SessionFacts:
    """Say what SDKs are told of a session: no level of the native interface, which no token of theirs has."""
    return SessionFacts(record.handle, record.user_id, tenant_id, elevation.without(record.jwt_payload))


def _is_stale(claims: CdiClaims, record: SessionRecord) -> bool:
    return not _is_same(elevation.without(record.jwt_payload), claims.payload)


def _is_same(stored: bytes, signed: bytes) -> bool:
    """Compare two JSON objects; the token's may have its members in another order."""
    return stored == signed or payload.decode(stored) == payload.decode(signed)


def _check_anti_csrf(claims: CdiClaims, sent: str | None) -> None:
    if claims.anti_csrf is None:
        raise TryRefreshToken(access_tokens.INCOMPLETE)
    if not _equal(claims.anti_csrf, sent):
        raise TryRefreshToken(ANTI_CSRF_FAILED)


def _as_uuid(anti_csrf: str) -> str:
    """Give an anti-CSRF token the form that SDKs know: 122 of its bits as a UUID."""
    return str(uuid.UUID(bytes=urlsafe_b64decode(anti_csrf + "=")[:16], version=4))


def _is_current(claims: CdiClaims, record: SessionRecord) -> bool:
    return hmac.compare_digest(claims.refresh_hash, record.current_hash.hex())


def _is_of_family(claims: CdiClaims, record: SessionRecord) -> bool:
    known = [row_hash.hex() for row_hash in (record.current_hash, record.previous_hash) if row_hash is not None]
    said = [token_hash for token_hash in (claims.refresh_hash, claims.parent_hash) if token_hash is not None]
    return any(_equal(token_hash, row_hash) for token_hash in said for row_hash in known)


def _equal(a: str, b: str | None) -> bool:
    return b is not None and hmac.compare_digest(a.encode(), b.encode("utf-8", "surrogatepass"))
