"""The native calls: the port of sessions, one to one, over an engine for each configuration that callers ask for.

A caller is a backend with an API key. Its engine works on the same store, app and tenant as the wire's operations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from reseal._async.engine import AsyncEngine
from reseal._async.not_before import Ended
from reseal._async.ports import AsyncStore
from reseal.cdi.body import Body
from reseal.cdi.paths import DEFAULT, Right
from reseal.cdi.problem import INVALID_JSON, INVALID_KEY, NOT_FOUND, Problem
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError, Refusal, ResealError
from reseal.core.events import EventListener, EventOutbox
from reseal.core.model import SessionRecord
from reseal.core.policy_preview import Previewed
from reseal.core.secret import Secret
from reseal.core.tokens import TokenPair
from reseal.rpc import calls
from reseal.rpc.binding_calls import Bind
from reseal.rpc.elevation_calls import Elevate
from reseal.rpc.policy_calls import PreviewPolicies
from reseal.server.case_calls import CASE_CALLS
from reseal.server.http.messages import Reply
from reseal.server.permits import EVERYTHING, Forbidden, Permit
from reseal.server.provider_calls import PROVIDER_CALLS
from reseal.server.tenants.directory import Directory

PREFIX: Final = calls.PREFIX
CALL: Final = calls.CALL.encode()
MOST_ENGINES: Final = 64
"""Engines that are kept, one for each configuration; the least recently used one is dropped first."""
Key = tuple[calls.Profile, str]
"""A configuration, and which of the apps that bore that name one after the other it belongs to."""
Handler = Callable[[AsyncEngine, Any, Clock], Awaitable[object]]


class NativeCall(NamedTuple):
    """How a call is read, what it does, and the right that it takes."""

    decoder: msgspec.json.Decoder[Any]
    handler: Handler
    right: Right


class RpcEngines:
    """The engines behind the native calls."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        secret_key: Secret | None,
        accepted_secret_keys: Secret | None,
        random: Callable[[int], bytes],
        on_event: EventListener,
        event_outbox: EventOutbox,
        ended_sessions_kept: float | None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._secret_keys = secret_key, accepted_secret_keys
        self._random = random
        self._on_event = on_event
        self._of_the_service = event_outbox, ended_sessions_kept
        self._engines: dict[Key, AsyncEngine] = {}
        self._lock = asyncio.Lock()

    def signing_since(self) -> list[int | None]:
        """Return since when (ms) the key of each engine has been signing."""
        return [engine.signing_since() for engine in self._engines.values()]

    async def answer(self, name: str, body: bytes, permit: Permit) -> Reply:
        """Carry out a call. Raises ``Problem`` for what is none or not permitted, and ``StoreUnavailable``."""
        decoder, handler, right = CALLS[name]
        try:
            Body(body)  # an object in which no name is repeated
            call: calls.Call = decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem(400, INVALID_JSON) from None
        permit.check_tenant(call.profile.app_id, call.profile.tenant_id)
        await check_own_keys(self._directory, call.profile.app_id, permit)
        if right is Right.ADMIN:
            permit.check_whole_app(call.profile.app_id)
        try:
            outcome = await handler(await self._engine(call.profile), call, self._clock)
        except Forbidden:
            raise
        except (ResealError, Problem) as error:  # a problem: the tenant was removed meanwhile
            failure = calls.failure_of(_no_tenant(call.profile) if isinstance(error, Problem) else error)
            if failure is None:
                raise
            return Reply(calls.REFUSED, msgspec.json.encode(failure))
        return Reply(200, msgspec.json.encode(outcome))

    async def _engine(self, profile: calls.Profile) -> AsyncEngine:
        app = await self._directory.find(profile.app_id, profile.tenant_id, insist=True)
        if app is None:
            raise _no_tenant(profile)
        profile = _within(profile, app.driver.app.access_token_ms // 1000)
        key = (profile, app.incarnation)
        engine = self._engines.pop(key, None)
        if engine is None:
            engine = await self._opened(key, app.store)
        self._engines[key] = engine  # keep the most recently used last
        while len(self._engines) > MOST_ENGINES:
            del self._engines[next(iter(self._engines))]
        return engine

    async def _opened(self, key: Key, store: AsyncStore) -> AsyncEngine:
        async with self._lock:
            if key in self._engines:
                return self._engines[key]
            settings = calls.settings_of(key[0], *self._secret_keys, *self._of_the_service)
            engine = AsyncEngine(
                settings,
                store,
                clock=self._clock,
                random=self._random,
                on_event=self._on_event,
                owns_store=False,
            )
            await engine.open()
            self._engines[key] = engine
            return engine


async def check_own_keys(directory: Directory, app_id: str, permit: Permit) -> None:
    """Raise ``Problem`` 401 for a caller without a key where the app has keys of its own."""
    app = await directory.find(app_id, DEFAULT, insist=True)
    if permit is EVERYTHING and app is not None and app.api_keys:
        raise Problem(401, INVALID_KEY)


def _within(profile: calls.Profile, longest_s: int) -> calls.Profile:
    """Let no access token live longer than the app's own: nothing can end it earlier."""
    return structs.replace(profile, access_token_validity=min(profile.access_token_validity, longest_s))


def _no_tenant(profile: calls.Profile) -> ConfigurationError:
    place = f"tenant {profile.tenant_id!r} of app {profile.app_id!r}"
    return ConfigurationError((f"tenant_id: the service has no {place}; create it there first",))


def find(path: str) -> str:
    """Name the native call of a path. Raises ``Problem`` 404."""
    name = path.removeprefix(PREFIX)
    if name not in CALLS:
        raise Problem(404, NOT_FOUND)
    return name


async def _create(engine: AsyncEngine, call: calls.Create, clock: Clock) -> calls.Tokens:
    return _tokens(await engine.create(**_arguments(call)), clock)


async def _refresh(engine: AsyncEngine, call: calls.Refresh, clock: Clock) -> calls.Tokens:
    tokens = await engine.refresh(
        call.presented,
        anti_csrf=call.anti_csrf,
        require_anti_csrf=call.require_anti_csrf,
        attempt_key=call.attempt_key,
        proof=call.proof,
        caller=call.caller,
    )
    return _tokens(tokens, clock)


async def _check(engine: AsyncEngine, call: calls.Check, _: Clock) -> SessionRecord:
    return _shown(await engine.check(call.claims))


async def _reissue(engine: AsyncEngine, call: calls.Reissue, clock: Clock) -> calls.Tokens:
    return _tokens(await engine.reissue(call.claims, await engine.get(call.claims.sid)), clock)


async def _elevate(engine: AsyncEngine, call: Elevate, clock: Clock) -> calls.Tokens:
    return _tokens(await engine.elevate(**_arguments(call)), clock)


async def _bind(engine: AsyncEngine, call: Bind, clock: Clock) -> calls.Tokens:
    return _tokens(await engine.bind(call.presented, call.proof, caller=call.caller), clock)


async def _get(engine: AsyncEngine, call: calls.Get, _: Clock) -> SessionRecord:
    return _shown(await engine.get(call.handle))


async def _why_ended(engine: AsyncEngine, call: calls.WhyEnded, _: Clock) -> Mapping[str, Refusal]:
    return await engine.why_ended(call.handles)


async def _issue_ticket(engine: AsyncEngine, call: calls.IssueTicket, _: Clock) -> str:
    return await engine.issue_ticket(call.claims, call.purpose)


async def _redeem_ticket(engine: AsyncEngine, call: calls.RedeemTicket, clock: Clock) -> calls.Tokens:
    return _tokens(await engine.redeem_ticket(call.ticket, call.purpose), clock)


async def _list_user(engine: AsyncEngine, call: calls.ListUser, _: Clock) -> Iterable[SessionRecord]:
    return [_shown(record) for record in await engine.list_some(call.user_id, call.after, call.limit)]


async def _list_ended(engine: AsyncEngine, call: calls.ListEnded, _: Clock) -> Iterable[SessionRecord]:
    return [_shown(record) for record in await engine.list_ended(call.user_id, call.within)]


async def _rename(engine: AsyncEngine, call: calls.Rename, _: Clock) -> SessionRecord:
    return _shown(await engine.rename(call.handle, call.to))


async def _update(engine: AsyncEngine, call: calls.Update, _: Clock) -> SessionRecord:
    return _shown(await engine.update(**_arguments(call)))


async def _revoke(engine: AsyncEngine, call: calls.Revoke, _: Clock) -> Iterable[str]:
    return await engine.revoke(call.handles, call.reason, call.note)


async def _revoke_user(engine: AsyncEngine, call: calls.RevokeUser, _: Clock) -> Iterable[str]:
    return await engine.revoke_user(call.user_id, keep=call.keep)


async def _end_before(engine: AsyncEngine, call: calls.EndBefore, _: Clock) -> Ended:
    return await engine.end_some_before(**_arguments(call))


async def _preview_policies(engine: AsyncEngine, call: PreviewPolicies, _: Clock) -> Previewed:
    return await engine.preview_some(call.planned, call.after)


async def _jwks(engine: AsyncEngine, _call: calls.Call, _: Clock) -> calls.Jwks:
    await engine.keep_fresh()
    return engine.jwks()


def _tokens(pair: TokenPair, clock: Clock) -> calls.Tokens:
    left = max(0, pair.session_expires_at - clock.wall())
    return calls.Tokens(
        pair.claims, pair.access_token, pair.refresh_token, pair.anti_csrf, left, pair.persistent, pair.challenge
    )


def _arguments(call: calls.Call) -> dict[str, Any]:
    """Return the members of a call that are named as the arguments of the engine's method."""
    return {name: getattr(call, name) for name in call.__struct_fields__ if name != "profile"}


def _shown(record: SessionRecord) -> SessionRecord:
    """Leave out what only the store's own work needs: hashes and the seal of the successor stay here."""
    return structs.replace(record, current_hash=b"", previous_hash=None, successor_sealed=None, attempt_hash=None)


def _reading(kind: type[calls.Call], handler: Handler) -> NativeCall:
    return NativeCall(msgspec.json.Decoder(kind), handler, Right.READ)


def _writing(kind: type[calls.Call], handler: Handler, right: Right = Right.WRITE) -> NativeCall:
    return NativeCall(msgspec.json.Decoder(kind), handler, right)


CALLS: Final[dict[str, NativeCall]] = {
    "create": _writing(calls.Create, _create),
    "refresh": _writing(calls.Refresh, _refresh),
    "check": _reading(calls.Check, _check),
    "reissue": _writing(calls.Reissue, _reissue),
    "bind": _writing(Bind, _bind),
    "elevate": _writing(Elevate, _elevate),
    "get": _reading(calls.Get, _get),
    "why_ended": _reading(calls.WhyEnded, _why_ended),
    "issue_ticket": _writing(calls.IssueTicket, _issue_ticket),
    "redeem_ticket": _writing(calls.RedeemTicket, _redeem_ticket),
    "list_user": _reading(calls.ListUser, _list_user),
    "list_ended": _reading(calls.ListEnded, _list_ended),
    "rename": _writing(calls.Rename, _rename),
    "update": _writing(calls.Update, _update),
    "revoke": _writing(calls.Revoke, _revoke),
    "revoke_user": _writing(calls.RevokeUser, _revoke_user),
    "end_before": _writing(calls.EndBefore, _end_before, Right.ADMIN),
    "preview_policies": _reading(PreviewPolicies, _preview_policies),
    "rotate_keys": _writing(calls.Call, lambda engine, *_: engine.rotate_keys(), Right.ADMIN),
    "jwks": _reading(calls.Call, _jwks),
    "nonce_key": _reading(calls.Call, lambda engine, *_: engine.nonce_key()),
    **{name: _writing(*call) for name, call in (CASE_CALLS | PROVIDER_CALLS).items()},
}
