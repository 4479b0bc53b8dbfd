"""Sessions over the network: the port of sessions, carried out by a service.

Access tokens are verified here, with the public keys that the service publishes; nothing else is decided here. An
answer that is not known is ``StoreUnavailable``, whatever the network did: it never ends a session.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

import msgspec

from reseal._async import not_before, paging
from reseal._async.binding import AsyncRemoteBinding
from reseal._async.elevating import AsyncRemoteElevating
from reseal._async.kill_following import AsyncKillFollower
from reseal._async.policy_preview import AsyncRemotePreviewing
from reseal._async.provider_logouts import AsyncRemoteLogouts
from reseal._async.remote_calls import AsyncCalls, KeyRefused
from reseal._async.remote_cases import AsyncRemoteCases
from reseal._async.remote_hosts import AsyncFailover
from reseal._async.remote_keys import AsyncPublishedKeys, Jwks
from reseal.clock import Clock, SystemClock
from reseal.core import attempt, ids, payload, refresh_token
from reseal.core.access_token import Audience, Claims
from reseal.core.dpop import Shown
from reseal.core.errors import ConfigurationError, Refusal
from reseal.core.events import NOBODY, Caller
from reseal.core.model import Device, EndReason, SessionRecord
from reseal.core.outbox import EventPage
from reseal.core.secret import Secret
from reseal.core.selection import UserPlace
from reseal.core.session_policy import NOTHING, BeginOptions
from reseal.core.tokens import TokenPair
from reseal.devices import about
from reseal.devices.selection import Only
from reseal.rpc import calls
from reseal.rpc.hosts import Hosts, addresses
from reseal.settings import Settings

if TYPE_CHECKING:
    import httpx

_NO_EVENTS: Final = (
    "events are read where their store is: call deliver_events in a process that embeds the sessions, or run "
    "reseal events read beside the service; Remote passes none on"
)
HANDLES_AT_ONCE: Final = 1_000
_NEWER: Final = ("policy", "provider", "device_binding", "proof")


class AsyncRemote(
    AsyncRemoteBinding, AsyncRemoteCases, AsyncRemoteElevating, AsyncRemotePreviewing, AsyncRemoteLogouts
):
    """The sessions of one app and tenant in a service. Use as ``AsyncReseal(settings, sessions=AsyncRemote(…))``.

    ``hosts``: ``http://a:3567;http://b:3567``, a path behind them allowed, or ``[{"hostname": …, "port": …}]``; they
    take turns, and where one is away the next is asked. ``timeout_s``: the longest that a call takes, in seconds.
    ``allow_plain_http``: whether other machines may be ``http://``, where the network between is trusted.
    ``transport``: an httpx transport of your own, say with your certificates. Of the settings those about the database
    and ``secret_key`` are the service's business. Needs httpx (``pip install "reseal[remote]"``).

    Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        settings: Settings,
        hosts: Hosts,
        *,
        api_key: str | Secret | None = None,
        timeout_s: float = 5.0,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        transport: httpx.AsyncBaseTransport | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()

        def chance() -> float:
            return int.from_bytes(random(2)) / 0x10000

        self._hosts = AsyncFailover(
            addresses(hosts, allow_plain_http=allow_plain_http),
            api_key=Secret(api_key) if isinstance(api_key, str) else api_key,
            timeout_s=timeout_s,
            clock=self._clock,
            chance=chance,
            transport=transport,
        )
        self._calls = AsyncCalls(calls.profile_of(settings), self._hosts, random)
        audience = Audience(settings.token_issuer, settings.token_audience, settings.tenant_id)
        self._keys = AsyncPublishedKeys(self._calls, audience, self._clock, chance)
        self._begin_proofs()
        self.kills: AsyncKillFollower | None = None
        """What this process knows of the kill list; ``None`` if that is off."""
        if settings.kill_list:
            self.kills = AsyncKillFollower(settings, self._hosts, self._clock, random, chance)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def send_along(self, inject: Callable[[dict[str, str]], object]) -> None:
        """Have a function add headers to each call, such as those of a trace."""
        self._calls.inject = inject

    async def open(self) -> None:
        """Get the public keys. Raises ``ConfigurationError``, also for a wrong API key, or ``StoreUnavailable``."""
        self._hosts.open()
        try:
            await self._keys.load()
            await self._learn_nonce_key()
            if self.kills is not None:
                await self.kills.open()
        except KeyRefused as error:
            await self.close()
            raise ConfigurationError((f"api_key: {error}",)) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections."""
        if self.kills is not None:
            await self.kills.close()
        await self._hosts.close()

    async def keep_fresh(self) -> None:
        """Look for new public keys, and read the kill list, if it is time to; never fails for a silent service."""
        await self._keys.keep_fresh()
        if self.kills is not None:
            await self.kills.keep_fresh()

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token with the keys in memory. Raises ``TryRefreshToken``. Does not wait.

        With ``kill_list`` as :meth:`reseal.AsyncEngine.verify` does.
        """
        claims = self._keys.verify(access_token, expired_too=expired_too)
        if self.kills is not None and not expired_too:
            self.kills.check(claims)
        return claims

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Return whether the anti-CSRF token sent beside an access token is the one in it."""
        if anti_csrf is None or claims.csrf is None:
            return False
        return hmac.compare_digest(claims.csrf.encode(), anti_csrf.encode("utf-8", "surrogatepass"))

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Keep the newest refresh token of each session by what they say; the service finds out who is genuine."""
        return refresh_token.newest_by_shape(presented)

    def jwks(self) -> Jwks:
        """The public keys, as the service published them (RFC 7517)."""
        return self._keys.published()

    async def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        kid = await self._calls.call("rotate_keys", str, repeatable=False)
        await self._keys.changed()
        return kid

    async def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        **options: Unpack[BeginOptions],
    ) -> TokenPair:
        """Begin a session. Raises ``InvalidInput``, ``AccessTokenTooLarge`` (nothing stored), ``StoreUnavailable``."""
        caller, replaced = options.get("caller", NOBODY), options.get("replaced", NOTHING)
        is_limited = options.get("policy") is not None or bool(self.settings.policies)
        return await self._tokens(
            "create",
            repeatable=False,
            user_id=payload.check_user_id(user_id),
            jwt_payload=msgspec.Raw(payload.encode("jwt_payload", jwt_payload)),
            session_data=msgspec.Raw(payload.encode("session_data", session_data)),
            correlation_id=caller.correlation_id,
            caller=self._sendable(caller),
            lifetime_ms=options.get("lifetime_ms"),
            # an older service would not know the others
            **{name: options[name] for name in _NEWER if options.get(name) is not None},
            **({"replaced": replaced} if replaced.visitor or (replaced.handles and is_limited) else {}),
        )

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
        """Exchange a refresh token for its successor: any number of times, it is the same successor.

        ``attempt_key``, ``proof``: as :meth:`reseal.AsyncEngine.refresh` says.

        Raises ``Unauthorised``, ``TokenTheftDetected`` or ``StoreUnavailable`` (the same token may be presented again).
        """
        return await self._tokens(
            "refresh",
            repeatable=True,
            presented=_text(presented),
            anti_csrf=None if anti_csrf is None else _text(anti_csrf),
            require_anti_csrf=require_anti_csrf,
            attempt_key=attempt_key if attempt_key is None or attempt.is_key(attempt_key) else None,
            correlation_id=caller.correlation_id,
            caller=self._sendable(caller),
            **({} if proof is None else {"proof": proof if isinstance(proof, Shown) else _text(proof)}),
        )

    async def check(self, claims: Claims) -> SessionRecord:
        """Ask whether the session of a verified token is live, and confirm its generation. Raises ``Unauthorised``."""
        return await self._calls.call("check", SessionRecord, repeatable=True, claims=claims)

    async def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:  # noqa: ARG002 - the service reads it
        """Write a new access token of the same generation, with the payload that the session has now.

        The service takes nothing from ``record``: it reads the session again. Raises ``Unauthorised``.
        """
        return await self._tokens("reissue", repeatable=True, claims=claims)

    async def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised`` if there is none, ``StoreUnavailable``."""
        return await self._calls.call("get", SessionRecord, repeatable=True, handle=_text(ids.handle(handle)))

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Of these sessions, name those that are over, or were never there, each with the reason."""
        asked = dict.fromkeys(ids.handles(handles))
        named = [handle for handle in asked if _is_sendable(handle)]
        reasons = {handle: Refusal.UNKNOWN_SESSION for handle in asked if not _is_sendable(handle)}
        for at in range(0, len(named), HANDLES_AT_ONCE):
            some = named[at : at + HANDLES_AT_ONCE]
            reasons |= await self._calls.call("why_ended", dict[str, Refusal], repeatable=True, handles=some)
        return reasons

    async def issue_ticket(self, claims: Claims, purpose: str) -> str:
        """Write a ticket for the session of a verified token: good once, for this purpose, for 30 seconds."""
        return await self._calls.call("issue_ticket", str, repeatable=True, claims=claims, purpose=_text(purpose))

    async def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        """Exchange a ticket for an access token of its session. Raises ``Unauthorised``, ``StoreUnavailable``."""
        # not repeated: the first try may have used it up
        return await self._tokens("redeem_ticket", repeatable=False, ticket=_text(ticket), purpose=_text(purpose))

    async def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""
        user_id = ids.user_id(user_id)
        if not _is_sendable(user_id):
            return ()
        return await paging.sessions_of_user(lambda after, limit: self._list_some(user_id, after, limit))

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

        ``expected_version``: write only over this ``version`` of the record. Raises ``Conflict`` if it has changed;
        ``InvalidInput``, ``AccessTokenTooLarge``, ``Unauthorised``, ``StoreUnavailable``.
        """
        handle = ids.handle(handle)
        private = None if session_data is None else msgspec.Raw(payload.encode("session_data", session_data))
        public = None if jwt_payload is None else msgspec.Raw(payload.encode("jwt_payload", jwt_payload))
        return await self._calls.call(
            "update",
            SessionRecord,
            repeatable=False,  # a repeat might undo what another writer wrote meanwhile
            handle=_text(handle),
            session_data=private,
            jwt_payload=public,
            seen=seen,
            expected_version=expected_version,
        )

    async def rename(self, handle: str, name: str) -> SessionRecord:
        """Name the device of a live session; an empty name takes it away. Raises ``InvalidInput``, ``Unauthorised``."""
        handle, name = ids.handle(handle), about.checked("name", name, about.NAME_MAX)
        return await self._calls.call("rename", SessionRecord, repeatable=True, handle=_text(handle), to=name)

    async def list_ended(self, user_id: str, within: int) -> tuple[SessionRecord, ...]:
        """Read a user's sessions that ended within the last ms, the latest first; one page at most."""
        user_id = ids.user_id(user_id)
        if not _is_sendable(user_id):
            return ()
        return await self._calls.call(
            "list_ended", tuple[SessionRecord, ...], repeatable=True, user_id=user_id, within=within
        )

    async def revoke(
        self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED, note: str | None = None
    ) -> tuple[str, ...]:
        """End sessions; names those that this call ended. Acknowledged means: in the store."""
        named = [handle for handle in ids.handles(handles) if _is_sendable(handle)]
        ended: tuple[str, ...] = ()
        for at in range(0, max(1, len(named)), HANDLES_AT_ONCE):
            some = named[at : at + HANDLES_AT_ONCE]
            # not repeated: a repeat would no longer know which sessions it ended
            of_it = about.told(note) | {"handles": some, "reason": reason}
            ended += await self._calls.call("revoke", tuple[str, ...], repeatable=False, **of_it)
        return ended

    async def end_before(
        self, moment: int, *, user_id: str | None = None, all_tenants: bool = False, only: Only | None = None
    ) -> int:
        """End what was begun or refreshed before a moment (ms) for the last time; says how many sessions that were.

        Of one user, or of all; of this tenant, or of all tenants of the app. The API key may administer the app. Raises
        ``InvalidInput`` for a moment that is still to come, ``StoreUnavailable`` (call again).
        """
        named = None if user_id is None else ids.user_id(user_id)
        if named is not None and not _is_sendable(named):
            return 0
        chosen: dict[str, Any] = {} if only is None else {"only": only}
        sessions, after = 0, not_before.FIRST
        while after is not None:
            ended = await self._calls.call(
                "end_before",
                not_before.Ended,
                repeatable=False,  # a repeat would no longer know how many it ended
                moment=moment,
                after=after,
                user_id=named,
                all_tenants=all_tenants,
                **chosen,
            )
            sessions, after = sessions + ended.sessions, ended.after
        return sessions

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        user_id, keep = ids.user_id(user_id), ids.handle_or_none(keep, "keep")
        if not _is_sendable(user_id):
            return ()
        kept = None if keep is None else _text(keep)
        return await self._calls.call("revoke_user", tuple[str, ...], repeatable=False, user_id=user_id, keep=kept)

    async def read_events(self, consumer: str, limit: int) -> EventPage:  # noqa: ARG002
        """Raise ``ConfigurationError``: the service does not pass events on."""
        raise ConfigurationError((_NO_EVENTS,))

    async def acknowledge_events(self, consumer: str, cursor: int) -> None:  # noqa: ARG002
        """Raise ``ConfigurationError``: the service does not pass events on."""
        raise ConfigurationError((_NO_EVENTS,))

    async def _list_some(self, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        return await self._calls.call(
            "list_user", tuple[SessionRecord, ...], repeatable=True, user_id=user_id, after=after, limit=limit
        )

    @staticmethod
    def _sendable(caller: Caller) -> Caller:
        ip, agent, correlation_id = (
            None if text is None else _text(text) for text in (*caller.device, caller.correlation_id)
        )
        return Caller(Device(ip, agent), correlation_id)

    async def _tokens(
        self, name: str, *, repeatable: bool, correlation_id: str | None = None, **arguments: object
    ) -> TokenPair:
        tokens = await self._calls.call(
            name, calls.Tokens, repeatable=repeatable, correlation_id=correlation_id, **arguments
        )
        await self._keys.learn(tokens.access_token)
        # a copy of the payload: the original would keep the whole answer in memory
        claims = msgspec.structs.replace(tokens.claims, payload=tokens.claims.payload.copy())
        return TokenPair(
            claims,
            tokens.access_token,
            tokens.refresh_token,
            tokens.anti_csrf,
            self._clock.wall() + tokens.expires_in_ms,
            tokens.persistent,
            tokens.challenge,
        )


def _is_sendable(text: str) -> bool:
    return text == _text(text)


def _text(text: str) -> str:
    """Return text that JSON can carry; what it cannot (lone surrogates) is in no handle and no token."""
    return text.encode("utf-8", "replace").decode()
