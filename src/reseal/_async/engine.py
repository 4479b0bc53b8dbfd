"""Sessions over a store, in this process: load, decide, write, and again if another writer won.

The engine knows tokens, not requests. The common refresh is one conditional statement; a row is read only where
that did not match. Verifying an access token does not wait at all.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Self, Unpack

import msgspec
from msgspec.structs import replace

from reseal._async import killing, not_before
from reseal._async.acting_families import AsyncActingFamilies
from reseal._async.beginning import Step
from reseal._async.binding import KEY_GROWTH, AsyncBindingCalls, confirmed_by
from reseal._async.case_calls import AsyncCaseCalls
from reseal._async.case_files import AsyncCaseFiles
from reseal._async.dpop import checker
from reseal._async.elevating import AsyncElevating
from reseal._async.keyring import AsyncKeyRingKeeper
from reseal._async.kill_reading import AsyncKillReader
from reseal._async.new_devices import newness_of
from reseal._async.not_before import Ended
from reseal._async.policy_preview import AsyncPreviewing
from reseal._async.ports import AsyncStore
from reseal._async.provider_logouts import AsyncProviderLogouts
from reseal._async.purger import ROWS, AsyncPurger, purge_events
from reseal._async.waiting import briefly
from reseal.clock import Clock, SystemClock
from reseal.core import actor, elevation, guessable, ids, payload, rotation
from reseal.core.access_token import MAX_LENGTH, Audience, Claims, Verifier, length, mint
from reseal.core.confirmation import Seen
from reseal.core.dpop import Shown, nonce_key
from reseal.core.errors import AccessTokenTooLarge, Conflict, Refusal, Unauthorised
from reseal.core.events import NOBODY, Caller, EventListener, EventName
from reseal.core.handles import suffix_of
from reseal.core.jitter import shortened
from reseal.core.keys import Wrapping
from reseal.core.model import EndReason, SessionRecord
from reseal.core.outbox import EventPage
from reseal.core.purging import Backlog
from reseal.core.refresh_token import RefreshToken
from reseal.core.secret import revealed
from reseal.core.selection import PAGE, Before, Place, UserPlace
from reseal.core.session_keys import session_keys
from reseal.core.session_policy import NOTHING, BeginOptions, Chosen, Lifetimes, Policies
from reseal.core.tokens import TokenPair
from reseal.devices import about
from reseal.devices.selection import Only
from reseal.event_emitter import EventEmitter
from reseal.log import LOGGER, log_event
from reseal.settings import Settings
from reseal.settings.rules import SECOND
from reseal.web.transport import access_token_limit

_ANTI_CSRF_SIZE: Final = 43
GROWTH: Final = 16
"""Bytes by which the access token of a session may still grow: digits of its generation."""


class AsyncEngine(AsyncBindingCalls, AsyncCaseCalls, AsyncElevating, AsyncPreviewing, AsyncProviderLogouts):
    """The sessions of one app and tenant. Use as ``async with AsyncEngine(settings, store) as engine``.

    ``random(n)`` gives n bytes of a cryptographic source; ``on_event`` is called for each security event.
    With ``owns_store=False`` somebody else opens and closes the store.
    """

    def __init__(
        self,
        settings: Settings,
        store: AsyncStore,
        *,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        on_event: EventListener = log_event,
        owns_store: bool = True,
    ) -> None:
        self.settings = settings
        self._store = store = killing.on(store, settings, settings)
        self._owns_store = owns_store
        self._clock = clock or SystemClock()
        self._emitters = not_before.emitters(self._clock, on_event, settings.event_outbox)
        self._emitter = emitter = EventEmitter(settings.scope, self._clock, on_event, settings.event_outbox)
        self._keeper = _keeper(settings, store, self._clock, random, emitter)
        self._policies = Policies(settings.policy, Lifetimes(settings.idle_ms, settings.absolute_ms), settings.policies)
        self._case_files = AsyncCaseFiles(settings.scope, store, settings.theft_cases_ms)
        self._families: AsyncActingFamilies = AsyncActingFamilies(
            settings.scope,
            store,
            self._policies,
            self._keeper.secrets,
            random,
            emitter,
            keeps_device=settings.device_list,
            binds=settings.device_binding != "off",
            theft_cases_ms=settings.theft_cases_ms,
        )
        self._binds = settings.device_binding != "off"
        self._audience = Audience(settings.token_issuer, settings.token_audience, settings.tenant_id)
        self._token_limit = access_token_limit(settings)
        self._access_ms, self._jitter = settings.access_token_ms, settings.access_token_validity_jitter
        self._verifier = Verifier(self._keeper.ring, self._audience)
        self.proofs = checker(settings, lambda: nonce_key(self._keeper.secrets().refresh_key), self._clock.wall)
        self.kills: AsyncKillReader | None = None
        """What this process knows of the kill list; ``None`` if that is off."""
        if settings.kill_list:
            self.kills = AsyncKillReader(settings, store, self._clock, random)
        self._purger = AsyncPurger(settings, store, self._clock, self._case_files)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the store and load the keys. Raises ``ConfigurationError`` or ``StoreUnavailable``."""
        if self._owns_store:
            await self._store.open()
        _warn_of_a_weak_secret(self.settings)
        try:
            self._verifier.use(await self._keeper.open())
            if self.kills is not None:
                await self.kills.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._owns_store:
            await self._store.close()

    async def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        """Begin a session.

        Raises ``InvalidInput``, ``AccessTokenTooLarge``, ``TooManySessions`` (nothing stored), ``StoreUnavailable``.
        """
        if self._keeper.is_due():
            await self.keep_fresh()
        user_id = payload.check_user_id(user_id)
        public = payload.encode("jwt_payload", jwt_payload)
        private = payload.encode("session_data", session_data)
        if elevation.MARK in public:
            elevation.refuse(jwt_payload)
        kept = self._policies.chosen(options.get("policy"), options.get("lifetime_ms"), user_id)
        if self._binds:
            kept = await self._wished(options, kept, user_id, public)
        token = self._families.new_token(suffix_of(self.settings.tenant_id))
        self._check_size(token.handle, user_id, 0, public, self._anti_csrf(token), kept)
        if self._purger.is_due():
            await self._purger.step()
        caller, newness = options.get("caller", NOBODY).bounded(), None
        if self.settings.new_device_events and not actor.stored(public):
            newness = await newness_of(self._store, self.settings.scope, user_id, caller.device)
        chosen = Chosen(kept, options.get("replaced", NOTHING), options.get("lifetime_ms"), options.get("provider"))
        begin = self._families.begin if kept is None else self._beginning(kept)
        begin = self._families.begin_acting if actor.MARK in public else begin
        step = await begin(token, user_id, public, private, caller, policy=chosen, newness=newness)
        return self._issue(step)

    @property
    def store(self) -> AsyncStore:
        """The store that the sessions are in."""
        return self._store

    def observe(self, listener: EventListener) -> AsyncStore:
        """Call another listener for each later event, before that of the application; returns the store."""
        self._emitter.add_listener(listener)
        self._emitters = not_before.emitters(self._clock, self._emitter.listener, self.settings.event_outbox)
        return self._store

    def signing_since(self) -> int | None:
        """Return since when (ms) the present key has been signing access tokens; ``None`` after a while without use."""
        return self._keeper.signing_since()

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token with the keys in memory. Raises ``TryRefreshToken``. Does not wait.

        With ``kill_list`` also that its session has not ended. Raises ``StoreUnavailable`` if that list is stale and
        ``kill_list_when_stale`` is not ``open``.
        """
        claims = self._verifier.verify(access_token, self._clock.wall() // 1000, expired_too=expired_too)
        if self.kills is not None and not expired_too:
            self.kills.check(claims)
        return claims

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Say whether the anti-CSRF token sent beside an access token is the one in it."""
        return anti_csrf is not None and claims.csrf is not None and _equal(claims.csrf, anti_csrf)

    async def check(self, claims: Claims) -> SessionRecord:
        """Ask the store whether the session of a verified token is live, and confirm its generation.

        Raises ``Unauthorised`` if it is not, ``StoreUnavailable`` if the store did not answer.
        """
        return (await self._families.confirm(Seen(handle=claims.sid, generation=claims.gen)))[0]

    async def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        """Exchange a refresh token for its successor.

        ``attempt_key``: random text of 1 to 256 visible ASCII characters that the client repeats if it asks again with
        the same token, and keeps to itself; anything else counts as absent. Who repeats it is the same client.
        ``proof``: that of the device, which a bound session needs.

        Raises ``Unauthorised`` (with the reason), ``TokenTheftDetected`` (after the policy's response was carried
        out), ``ProofDemanded`` or ``StoreUnavailable`` (nothing is lost: the same token may be presented again).
        """
        if self._keeper.is_due():
            await self.keep_fresh()
        caller = caller.bounded()
        token = self._families.parse(presented, caller)
        if require_anti_csrf and not _equal(self._families.anti_csrf(token), anti_csrf or ""):
            raise self._families.refused(Refusal.ANTI_CSRF, token.handle, caller)
        if self._purger.is_due():
            await self._purger.step()
        if isinstance(proof, Shown):
            return await self._advance_proven(token, caller, proof)
        return self._issue(await self._families.advance(token, caller, attempt_key, proof))

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Of several refresh tokens that one browser sent, keep the newest genuine one of each session."""
        return self._families.newest(presented)

    async def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised`` if there is none, ``StoreUnavailable``."""
        record, _now = await self._families.live(ids.handle(handle))
        return record

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Of these sessions, name those that are over, or were never there, each with the reason."""
        return await self._families.why_ended(ids.handles(handles))

    async def issue_ticket(self, claims: Claims, purpose: str) -> str:
        """Write a ticket for the session of a verified token: good once, for this purpose, for 30 seconds."""
        return (await self._families.issue_ticket(claims.sid, claims.gen, purpose)).text

    async def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        """Exchange a ticket for an access token of its session. Raises ``Unauthorised``, ``StoreUnavailable``.

        The token is of the generation for which the ticket was issued. The browser may never have got a later one:
        to confirm that would make its next, honest refresh look like theft.
        """
        await self.keep_fresh()
        redeemed, record, now = await self._families.redeem_ticket(ticket, purpose)
        wall = self._clock.wall()
        claims = self._claims(record.handle, record.user_id, redeemed.generation, record.jwt_payload, None, wall)
        return self._pair(claims, None, _session_end(record, now, wall), wall, record)

    async def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""
        return await self._families.list_user(ids.user_id(user_id))

    async def list_ended(self, user_id: str, within: int) -> tuple[SessionRecord, ...]:
        """Read a user's sessions that ended within the last ms, the latest first; one page at most."""
        return await self._store.list_ended(self.settings.scope, ids.user_id(user_id), within, PAGE)

    async def list_some(self, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        """Read one page of :meth:`list_user`."""
        return await self._families.list_page(ids.user_id(user_id), after, limit)

    async def rename(self, handle: str, name: str) -> SessionRecord:
        """Name the device of a live session; an empty name takes it away. Raises ``InvalidInput``, ``Unauthorised``."""
        return await self._families.change(ids.handle(handle), lambda record, _: about.named(record, name))

    async def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
        expected_version: int | None = None,
    ) -> SessionRecord:
        """Replace the session data, the JWT payload, or both; ``None`` leaves one as it is. The last writer wins.

        ``seen``: the verified token on whose behalf this happens; its generation counts as confirmed.
        ``expected_version``: write only over this ``version`` of the record. Raises ``Conflict`` if it has changed.

        Tokens already issued keep their payload; a refresh brings the new one. Raises ``InvalidInput``,
        ``AccessTokenTooLarge``, ``Unauthorised``, ``StoreUnavailable``; then nothing was changed.
        """
        handle = ids.handle(handle)
        private = None if session_data is None else payload.encode("session_data", session_data)
        public = None if jwt_payload is None else payload.encode("jwt_payload", jwt_payload)
        csrf = _ANTI_CSRF_SIZE * "c" if self.settings.enable_anti_csrf else None

        def change(record: SessionRecord, now: int) -> SessionRecord:
            if expected_version not in {None, record.version}:
                raise Conflict
            own = record.jwt_payload
            wanted = own if public is None else elevation.kept(own, actor.kept(own, public))
            if public is not None:
                self._check_size(handle, record.user_id, record.generation, wanted, csrf, record.policy)
            changed = replace(
                record,
                session_data=record.session_data if private is None else private,
                jwt_payload=wanted,
            )
            return changed if seen is None else rotation.confirmed(changed, seen.gen, now)

        return await self._families.change(handle, change)

    async def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        """Write a new access token of the same generation, with the payload that ``record`` has now.

        Whose session it is, and what the token says, comes from ``record``, a live row; of the verified ``claims`` it
        keeps the generation, which cannot be later than that of the row, and the anti-CSRF token, which no row has.
        That of a session that is held or bound, or from before a confirmation, also keeps its end.
        Raises ``Unauthorised`` if the two are not of one session.
        """
        if claims.sid != record.handle:
            raise Unauthorised(Refusal.UNKNOWN_SESSION)
        await self.keep_fresh()
        csrf = claims.csrf if self.settings.enable_anti_csrf else None
        of = record.handle, record.user_id, min(claims.gen, record.generation)
        now = self._clock.wall()
        kept = elevation.for_bearer(record, bytes(claims.payload))
        fresh = self._ending_with(claims, self._claims(*of, kept.jwt_payload, csrf, now), record)
        pair = self._pair(fresh, None, _session_end(record, now, now), now, record)
        self._emitter.emit_for(EventName.ACCESS_TOKEN_REISSUED, record, NOBODY)
        return pair

    async def revoke(
        self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED, note: str | None = None
    ) -> tuple[str, ...]:
        """End sessions; names those that this call ended. Acknowledged means: in the store."""
        return await self._families.end(ids.handles(handles), reason, about.checked_note(note))

    async def end_before(
        self, moment: int, *, user_id: str | None = None, all_tenants: bool = False, only: Only | None = None
    ) -> int:
        """End what was begun or refreshed before a moment (ms) for the last time; says how many sessions that were.

        Of one user, or of all; of this tenant, or of all tenants of the app. An ended session stays so, whatever token
        comes for it. Raises ``InvalidInput`` for a moment that is still to come, ``StoreUnavailable`` (call again).
        """
        sessions, after = 0, not_before.FIRST
        while after is not None:
            ended = await self.end_some_before(moment, after, user_id=user_id, all_tenants=all_tenants, only=only)
            sessions, after = sessions + ended.sessions, ended.after
        return sessions

    async def end_some_before(
        self,
        moment: int,
        after: Place,
        *,
        user_id: str | None = None,
        all_tenants: bool = False,
        only: Only | None = None,
    ) -> Ended:
        """Do one step of :meth:`end_before`."""
        which = Before(
            app_id=self.settings.app_id,
            tenant_id=None if all_tenants else self.settings.tenant_id,
            user_id=None if user_id is None else ids.user_id(user_id),
            moment=moment,
        )
        await not_before.check(self._store, which)
        return await not_before.step(self._store, which, after, self._emitters, only)

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        return await self._families.end_user(ids.user_id(user_id), ids.handle_or_none(keep, "keep"))

    async def purge(self) -> int:
        """Remove all sessions that are due; says how many. They go little by little anyway, as others are written.

        Events of the outbox that are not kept any longer go as well.
        """
        removed = 0
        while True:
            step = await self._store.purge(ROWS, self.settings.ended_sessions_kept_ms)
            removed += step.removed
            if (self.settings.audit or not await purge_events(self._store)) and step.looked_at < ROWS:
                return removed

    async def read_events(self, consumer: str, limit: int) -> EventPage:
        """Read up to ``limit`` events that a consumer has not acknowledged, of all apps and tenants of the store."""
        return await self._store.read_events(ids.consumer(consumer), limit)

    async def acknowledge_events(self, consumer: str, cursor: int) -> None:
        """Note that a consumer has handled everything up to a cursor. Idempotent."""
        await self._store.acknowledge_events(ids.consumer(consumer), cursor)

    async def backlog(self) -> Backlog:
        """Count the sessions that are due to be looked at and removed: a gauge of how far purging is behind."""
        return await self._store.backlog()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys, for others to verify our access tokens (RFC 7517)."""
        return self._keeper.ring.jwks()

    async def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        kid = await self._keeper.rotate()
        self._verifier.use(self._keeper.ring)
        return kid

    async def keep_fresh(self) -> None:
        """Follow changes of the key ring, and the kill list; cheap, to be called before verifying."""
        if self._keeper.is_due():
            await briefly(self._follow_keys)
        if self.kills is not None and self.kills.is_due():
            await briefly(self.kills.keep_fresh)

    async def _follow_keys(self) -> None:
        if await self._keeper.keep_fresh():
            self._verifier.use(self._keeper.ring)

    # -- tokens -----------------------------------------------------------------------------------------------------

    def _anti_csrf(self, token: RefreshToken) -> str | None:
        return self._families.anti_csrf(token) if self.settings.enable_anti_csrf else None

    def _issue(self, step: Step) -> TokenPair:
        record, csrf, now = step.record, self._anti_csrf(step.token), self._clock.wall()
        claims = self._claims(record.handle, record.user_id, record.generation, record.jwt_payload, csrf, now)
        if (
            self._policies[record.policy].rotation.confirm_by_verify
            and record.confirmed_at is None
            and record.generation > 0
        ):
            claims = msgspec.structs.replace(claims, unconfirmed=True)
        return self._pair(claims, step.token.text, _session_end(record, step.store_now, now), now, record)

    def _claims(
        self, handle: str, user_id: str, generation: int, jwt_payload: bytes, csrf: str | None, now: int
    ) -> Claims:
        to, iat = self._audience, now // 1000
        exp = iat + self.settings.access_token_validity
        if elevation.MARK in jwt_payload:
            jwt_payload, exp = elevation.in_token(jwt_payload, generation, now, exp)
        raw = msgspec.Raw(jwt_payload)
        return Claims(to.issuer, to.audience, user_id, iat, exp, to.tenant_id, handle, generation, raw, csrf)

    def _pair(self, claims: Claims, refresh: str | None, end: int, now: int, record: SessionRecord) -> TokenPair:
        if self._binds and record.policy is not None:
            claims = confirmed_by(claims, record)
        limits, longest, jitter = self._policies[record.policy], self._access_ms, self._jitter
        validity = limits.access_token_ms or longest
        if jitter:
            validity = max(SECOND, shortened(min(validity, longest), jitter, record.current_hash))
        latest = min(end, now + validity)
        if claims.exp > latest // 1000:  # no token outlives its session
            claims = msgspec.structs.replace(claims, exp=latest // 1000)
        access = mint(claims, self._keeper.ring.signing(now))
        if len(access) > MAX_LENGTH:  # a payload that was set elsewhere, by rules other than ours
            raise AccessTokenTooLarge(len(access), MAX_LENGTH, payload.largest_member(bytes(claims.payload)))
        pair = TokenPair(claims, access, refresh, claims.csrf, end, limits.persistent)
        return self._challenged(pair, record) if self._binds else pair

    def _check_size(self, handle: str, user_id: str, gen: int, raw: bytes, csrf: str | None, kept: str | None) -> None:
        now = self._clock.wall()
        claims = self._claims(handle, user_id, gen, raw, csrf, now)
        if self._policies[kept].rotation.confirm_by_verify:
            claims = msgspec.structs.replace(claims, unconfirmed=True)  # as the tokens of its refreshes will say
        size = length(claims, self._keeper.ring.signing(now)) + GROWTH + (KEY_GROWTH if self._binds else 0)
        if size > self._token_limit:
            raise AccessTokenTooLarge(size, self._token_limit, payload.largest_member(raw))


def _session_end(record: SessionRecord, store_now: int, now: int) -> int:
    """Carry the end of a session from the store's clock to this process's, for the browser."""
    return now + max(0, record.expires_at - store_now)


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


def _keeper(
    settings: Settings, store: AsyncStore, clock: Clock, random: Callable[[int], bytes], emitter: EventEmitter
) -> AsyncKeyRingKeeper:
    policy = session_keys(
        settings.access_token_signing_algorithm,
        interval_ms=settings.key_interval_ms,
        token_ms=settings.access_token_ms,
    )
    wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))

    def report(name: EventName, reason: str) -> None:
        emitter.emit(name, reason=reason)

    return AsyncKeyRingKeeper(settings.scope.app_id, policy, store, wrapping, clock, random, report)


def _warn_of_a_weak_secret(settings: Settings) -> None:
    """Warn of a secret that reads like words, in a frame of its own: those that fail must not show the secret."""
    secret = revealed(settings.secret_key)
    weakness = None if secret is None else guessable.weakness(secret.decode("utf-8", "replace"))
    if weakness is not None:
        LOGGER.warning("secret_key %s: make one with openssl rand -base64 48", weakness)
