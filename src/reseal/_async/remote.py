"""Sessions over the network: the port of sessions, carried out by a service.

Access tokens are verified here, with the public keys that the service publishes; nothing else is decided here. An
answer that is not known is ``StoreUnavailable``, whatever the network did: it never ends a session.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from reseal._async.waiting import pause
from reseal.clock import Clock, SystemClock
from reseal.core import payload, refresh_token
from reseal.core.access_token import Audience, Claims, Verifier
from reseal.core.errors import ConfigurationError, InvalidInput, Refusal, ResealError, StoreUnavailable
from reseal.core.events import NOBODY, Caller
from reseal.core.keys import KeyRing, read_jwks
from reseal.core.model import Device, EndReason, SessionRecord
from reseal.core.secret import Secret
from reseal.core.tokens import TokenPair
from reseal.settings import Settings
from reseal.wire import native
from reseal.wire.hosts import Hosts, addresses

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

RELOAD_EVERY: Final = 30_000
"""Milliseconds after which new keys are looked for; well inside the publication lead."""
COOL_DOWN: Final = 5_000
"""Milliseconds between two looks at the keys at least, and for which a host that failed is asked last."""
ROUNDS: Final = 2
"""How often every host is tried."""
PAUSE: Final = 0.2
"""Seconds between two rounds at most; how many, chance says, so that callers do not come back together."""
CONNECT_TIMEOUT: Final = 1.0
"""Seconds that a host has for accepting a connection."""
HANDLES_AT_ONCE: Final = 1_000
_OK: Final = 200
_NO_KEY: Final = 401
_TOO_LARGE: Final = 413
_BAD_GATEWAYS: Final = frozenset({502, 504})


class AsyncRemote:
    """The sessions of one app and tenant in a service. Use as ``AsyncReseal(settings, sessions=AsyncRemote(…))``.

    ``hosts``: ``http://a:3567;http://b:3567``, a path behind them allowed, or ``[{"hostname": …, "port": …}]``; they
    take turns, and where one is away the next is asked. ``timeout_s``: the longest that a call takes, in seconds.
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
    ) -> None:
        self.settings = settings
        self._hosts = addresses(hosts)
        self._profile = native.profile_of(settings)
        self._api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._random = random
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._turn = 0
        self._rests: dict[str, int] = {}
        self._jwks: dict[str, list[dict[str, str]]] = {"keys": []}
        self._ring = KeyRing((), b"")
        self._verifier = Verifier(
            self._ring, Audience(settings.token_issuer, settings.token_audience, settings.tenant_id)
        )
        self._reload_at = 0
        self._asked_at: int | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Get the public keys. Raises ``ConfigurationError``, also for a wrong API key, or ``StoreUnavailable``."""
        self._client = self._new_client()
        try:
            await self._load()
        except _KeyRefusedError as error:
            await self.close()
            raise ConfigurationError((f"api_key: {error}",)) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(None, None, None)

    async def keep_fresh(self) -> None:
        """Look for new public keys if it is time to; never fails for a silent service."""
        now = self._clock.monotonic()
        if now < self._reload_at or self._lock.locked():
            return
        if self._asked_at is not None and now < self._asked_at + COOL_DOWN:
            return
        async with self._lock:
            if now < self._reload_at:
                return  # another thread has looked meanwhile
            try:
                await self._load()
            except ResealError:
                self._reload_at = self._clock.monotonic() + COOL_DOWN + int(COOL_DOWN * self._chance())

    def verify(self, access_token: str, *, expired_too: bool = False) -> Claims:
        """Check an access token with the keys in memory. Raises ``TryRefreshToken``. Does not wait."""
        return self._verifier.verify(access_token, self._clock.wall() // 1000, expired_too=expired_too)

    def check_anti_csrf(self, claims: Claims, anti_csrf: str | None) -> bool:
        """Say whether the anti-CSRF token sent beside an access token is the one in it."""
        if anti_csrf is None or claims.csrf is None:
            return False
        return hmac.compare_digest(claims.csrf.encode(), anti_csrf.encode("utf-8", "surrogatepass"))

    def newest(self, presented: Iterable[str]) -> tuple[str, ...]:
        """Keep the newest refresh token of each session by what they say; the service finds out who is genuine."""
        return refresh_token.newest_by_shape(presented)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys, as the service published them (RFC 7517)."""
        return {"keys": [dict(key) for key in self._jwks["keys"]]}

    async def rotate_keys(self) -> str:
        """Publish a new signing key now; it signs two minutes later. Gives its ``kid``."""
        kid = await self._call("rotate_keys", str, repeatable=False)
        self._reload_at, self._asked_at = 0, None
        await self.keep_fresh()
        return kid

    async def create(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        """Begin a session. Raises ``InvalidInput``, ``AccessTokenTooLarge`` (nothing stored), ``StoreUnavailable``."""
        return await self._tokens(
            "create",
            repeatable=False,
            user_id=payload.check_user_id(user_id),
            jwt_payload=msgspec.Raw(payload.encode("jwt_payload", jwt_payload)),
            session_data=msgspec.Raw(payload.encode("session_data", session_data)),
            caller=_sendable(caller),
        )

    async def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        """Exchange a refresh token for its successor: any number of times, it is the same successor.

        Raises ``Unauthorised``, ``TokenTheftDetected`` or ``StoreUnavailable`` (the same token may be presented again).
        """
        return await self._tokens(
            "refresh",
            repeatable=True,
            presented=_text(presented),
            anti_csrf=None if anti_csrf is None else _text(anti_csrf),
            require_anti_csrf=require_anti_csrf,
            caller=_sendable(caller),
        )

    async def check(self, claims: Claims) -> SessionRecord:
        """Ask whether the session of a verified token is live, and confirm its generation. Raises ``Unauthorised``."""
        return await self._call("check", SessionRecord, repeatable=True, claims=claims)

    async def reissue(self, claims: Claims, record: SessionRecord) -> TokenPair:
        """Write a new access token of the same generation, with the payload that ``record`` has now."""
        return await self._tokens("reissue", repeatable=True, claims=claims, record=record)

    async def get(self, handle: str) -> SessionRecord:
        """Read a live session. Raises ``Unauthorised`` if there is none, ``StoreUnavailable``."""
        return await self._call("get", SessionRecord, repeatable=True, handle=_text(handle))

    async def why_ended(self, handles: Iterable[str]) -> dict[str, Refusal]:
        """Of these sessions, name those that are over, or were never there, each with the reason."""
        named, reasons = list(dict.fromkeys(handles)), dict[str, Refusal]()
        for at in range(0, len(named), HANDLES_AT_ONCE):
            some = named[at : at + HANDLES_AT_ONCE]
            reasons |= await self._call("why_ended", dict[str, Refusal], repeatable=True, handles=some)
        return reasons

    async def issue_ticket(self, claims: Claims, purpose: str) -> str:
        """Write a ticket for the session of a verified token: good once, for this purpose, for 30 seconds."""
        return await self._call("issue_ticket", str, repeatable=True, claims=claims, purpose=_text(purpose))

    async def redeem_ticket(self, ticket: str, purpose: str) -> TokenPair:
        """Exchange a ticket for an access token of its session. Raises ``Unauthorised``, ``StoreUnavailable``."""
        # not repeated: the first try may have used it up
        return await self._tokens("redeem_ticket", repeatable=False, ticket=_text(ticket), purpose=_text(purpose))

    async def list_user(self, user_id: str) -> tuple[SessionRecord, ...]:
        """Read a user's live sessions, oldest first."""
        if not _is_sendable(user_id):
            return ()
        return await self._call("list_user", tuple[SessionRecord, ...], repeatable=True, user_id=user_id)

    async def update(
        self,
        handle: str,
        *,
        session_data: Mapping[str, object] | None = None,
        jwt_payload: Mapping[str, object] | None = None,
        seen: Claims | None = None,
    ) -> SessionRecord:
        """Replace the session data, the JWT payload, or both; ``None`` leaves one as it is. The last writer wins.

        Raises ``InvalidInput``, ``AccessTokenTooLarge``, ``Unauthorised``, ``StoreUnavailable``.
        """
        private = None if session_data is None else msgspec.Raw(payload.encode("session_data", session_data))
        public = None if jwt_payload is None else msgspec.Raw(payload.encode("jwt_payload", jwt_payload))
        return await self._call(
            "update",
            SessionRecord,
            repeatable=False,  # a repeat might undo what another writer wrote meanwhile
            handle=_text(handle),
            session_data=private,
            jwt_payload=public,
            seen=seen,
        )

    async def revoke(self, handles: Iterable[str], reason: EndReason = EndReason.REVOKED) -> tuple[str, ...]:
        """End sessions; names those that this call ended. Acknowledged means: in the store."""
        named = [handle for handle in handles if _is_sendable(handle)]
        ended: tuple[str, ...] = ()
        for at in range(0, max(1, len(named)), HANDLES_AT_ONCE):
            some = named[at : at + HANDLES_AT_ONCE]
            # not repeated: a repeat would no longer know which sessions it ended
            ended += await self._call("revoke", tuple[str, ...], repeatable=False, handles=some, reason=reason)
        return ended

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, but the handle ``keep``; names those that this call ended."""
        if not _is_sendable(user_id):
            return ()
        kept = None if keep is None else _text(keep)
        return await self._call("revoke_user", tuple[str, ...], repeatable=False, user_id=user_id, keep=kept)

    # -- keys and tokens --------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        self._asked_at = self._clock.monotonic()
        jwks = await self._call("jwks", dict[str, list[dict[str, str]]], repeatable=True)
        try:
            ring = read_jwks(jwks)
        except ValueError as error:
            raise StoreUnavailable("the service published keys that cannot be read") from error
        if ring.kids != self._ring.kids:
            self._verifier.use(ring)
        self._jwks, self._ring = jwks, ring
        self._reload_at = self._clock.monotonic() + RELOAD_EVERY - int(COOL_DOWN * self._chance())

    async def _tokens(self, name: str, *, repeatable: bool, **arguments: object) -> TokenPair:
        tokens = await self._call(name, native.Tokens, repeatable=repeatable, **arguments)
        if self._ring.find(tokens.access_token.partition(".")[0]) is None:
            self._reload_at = 0
            await self.keep_fresh()
        # a copy of the payload: the original would keep the whole answer in memory
        claims = msgspec.structs.replace(tokens.claims, payload=tokens.claims.payload.copy())
        return TokenPair(
            claims,
            tokens.access_token,
            tokens.refresh_token,
            tokens.anti_csrf,
            self._clock.wall() + tokens.expires_in_ms,
        )

    # -- the network ------------------------------------------------------------------------------------------------

    def _new_client(self) -> httpx.AsyncClient:
        try:
            import httpx  # noqa: PLC0415 - an optional package
        except ImportError as error:
            raise ConfigurationError(('httpx is missing; install it: pip install "reseal[remote]"',)) from error
        headers = {"content-type": "application/json"}
        if self._api_key is not None:
            headers["api-key"] = self._api_key.reveal().decode("ascii", "replace")
        return httpx.AsyncClient(headers=headers, transport=self._transport, trust_env=False)

    async def _call(self, name: str, outcome: type[T], *, repeatable: bool, **arguments: object) -> T:
        body = msgspec.json.encode({"profile": self._profile, **arguments})
        answer = await self._send(name, body, repeatable=repeatable)
        try:
            if answer.status_code == _OK:
                return msgspec.json.decode(answer.content, type=outcome)
            if answer.status_code == native.REFUSED:
                error = native.error_of(msgspec.json.decode(answer.content, type=native.Failure))
                if error is not None:
                    raise error
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise StoreUnavailable(f"the service gave an answer to {name} that cannot be read") from None
        if answer.status_code == _NO_KEY:
            raise _KeyRefusedError("the service does not accept it")
        if answer.status_code == _TOO_LARGE:
            raise InvalidInput("session_data", "is larger than the service accepts")
        raise StoreUnavailable(f"the service answered {name} with status {answer.status_code}")

    async def _send(self, name: str, body: bytes, *, repeatable: bool) -> httpx.Response:
        """Ask one host after the other. What may have been sent is sent again only if it is ``repeatable``."""
        import httpx  # noqa: PLC0415 - open() has found it

        client = self._client
        if client is None:
            raise RuntimeError("the sessions are not open: call open(), or run the application with its lifespan")
        not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        deadline = self._clock.monotonic() + int(self._timeout_s * 1000)
        problem = "no time left"
        for host in self._attempts():
            if host is None:
                await pause(PAUSE * self._chance())
                continue
            left = (deadline - self._clock.monotonic()) / 1000
            if left <= 0:
                break
            allowed = left / 2 if repeatable else left  # so that a host that hangs leaves time for another
            timeout = httpx.Timeout(allowed, connect=min(allowed, CONNECT_TIMEOUT))
            try:
                answer = await client.post(f"{host}{native.PREFIX}{name}", content=body, timeout=timeout)
            except httpx.TransportError as error:
                self._rests[host] = self._clock.monotonic() + COOL_DOWN
                problem = _problem(error, host)
                if not repeatable and not isinstance(error, not_sent):
                    break
                continue
            if repeatable and answer.status_code in _BAD_GATEWAYS:
                problem = f"status {answer.status_code}"
                continue
            self._rests.pop(host, None)
            return answer
        raise StoreUnavailable(f"the service did not answer {name}: {problem}")

    def _attempts(self) -> list[str | None]:
        """Name the hosts in the order of asking; ``None`` is a pause."""
        self._turn += 1
        at, now = self._turn % len(self._hosts), self._clock.monotonic()
        turned = self._hosts[at:] + self._hosts[:at]
        once = sorted(turned, key=lambda host: self._rests.get(host, 0) > now)
        attempts: list[str | None] = [*once]
        for _ in range(1, ROUNDS):
            attempts += [None, *once]
        return attempts

    def _chance(self) -> float:
        return int.from_bytes(self._random(2)) / 0x10000


class _KeyRefusedError(StoreUnavailable):
    """The service does not accept the API key; nobody was signed out."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"API key: {problem}")


def _problem(error: BaseException, host: str) -> str:
    """Name what the network did; of TLS also why, because somebody has to do something about it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {host} is refused ({cause.verify_message})"
    if cause is not None:
        return f"TLS with {host} failed ({cause.reason})"
    return type(error).__name__


def _is_sendable(text: str) -> bool:
    return text == _text(text)


def _text(text: str) -> str:
    """Give text that JSON can carry; what it cannot (lone surrogates) is in no handle and no token."""
    return text.encode("utf-8", "replace").decode()


def _sendable(caller: Caller) -> Caller:
    ip, agent, correlation_id = (
        None if text is None else _text(text) for text in (*caller.device, caller.correlation_id)
    )
    return Caller(Device(ip, agent), correlation_id)
