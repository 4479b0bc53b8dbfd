# Generated from src/reseal/_async/remote_hosts.py by tools/unasync.py; edit that file instead.
"""One service on several hosts: they take turns, and where one is away the next is asked."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from reseal._sync.waiting import pause
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.secret import Secret
from reseal.forks import PerProcess

if TYPE_CHECKING:
    import httpx

REST: Final = 5_000
"""How long a failed or draining host is deprioritised, in ms."""
ROUNDS: Final = 2
"""How often every host is tried."""
PAUSE: Final = 0.2
"""Maximum back-off between rounds, in seconds; randomised to avoid a thundering herd."""
CONNECT_TIMEOUT: Final = 1.0
"""Timeout of a connection attempt, in seconds."""
CONNECTIONS: Final = 100
"""Most connections; all of them are kept, because over TLS each new one costs more than a call."""
_FOREIGN_TRANSPORT: Final = (
    "the transport given to Remote is that of the process that opened it, and this one was forked from it: "
    "make and open Remote in each worker after the fork"
)
_BAD_GATEWAYS: Final = frozenset({502, 504})
Body = Callable[[int], bytes]


class Failover:
    """Sends to one of the hosts, within ``timeout_s`` seconds. ``chance`` gives numbers from 0 up to 1."""

    def __init__(
        self,
        hosts: tuple[str, ...],
        *,
        api_key: Secret | None,
        timeout_s: float,
        clock: Clock,
        chance: Callable[[], float],
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._hosts = hosts
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._clock = clock
        self._chance = chance
        self._transport = transport
        self._clients = PerProcess(self._new_client)
        self._is_open = False
        self._opened_in = 0
        self._turn = 0
        self._rests: dict[str, int] = {}
        """Until when (ms) a host is asked last."""

    def open(self) -> None:
        """Make ready; nothing is sent yet. Raises ``ConfigurationError`` if httpx is missing."""
        try:
            import httpx  # noqa: F401, PLC0415 - an optional package
        except ImportError as error:
            raise ConfigurationError(('httpx is missing; install it: pip install "reseal[remote]"',)) from error
        self._opened_in = os.getpid()
        self._clients.renew()
        self._is_open = True

    def close(self) -> None:
        """Close all connections of this process."""
        client, is_open, self._is_open = self._clients.made(), self._is_open, False
        if client is not None and is_open:
            client.__exit__(None, None, None)

    def send(
        self, method: str, path: str, body: Body, headers: Mapping[str, str], *, repeatable: bool, longer_s: float = 0
    ) -> httpx.Response:
        """Ask one host after the other. What may have been sent is sent again only if it is ``repeatable``.

        ``body`` writes what is sent; it is told how often that may have arrived before.
        An answer may take ``longer_s`` seconds longer than usual; then that of a proxy is an answer as well.

        Raises ``StoreUnavailable`` if none has answered.
        """
        import httpx  # noqa: PLC0415 - open() has found it

        if not self._is_open:
            raise RuntimeError("the sessions are not open: call open(), or run the application with its lifespan")
        client = self._clients.here()
        not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        deadline = self._clock.monotonic() + int((self._timeout_s + longer_s) * 1000)
        problem, sent = "no time left", 0
        for host in self._attempts():
            if host is None:
                pause(PAUSE * self._chance())
                continue
            left = (deadline - self._clock.monotonic()) / 1000
            if left <= 0:
                break
            allowed = (left + longer_s) / 2 if repeatable else left  # so that a host that hangs leaves time for another
            limit = httpx.Timeout(allowed, connect=min(allowed, CONNECT_TIMEOUT))
            try:
                answer = client.request(method, host + path, content=body(sent), headers=headers, timeout=limit)
            except httpx.TransportError as error:
                self._rest(host)
                problem = _problem(error, host)
                sent += not isinstance(error, not_sent)
                if sent and not repeatable:
                    break
                continue
            if repeatable and not longer_s and answer.status_code in _BAD_GATEWAYS:
                problem, sent = f"status {answer.status_code}", sent + 1
                continue
            if answer.headers.get("connection", "").lower() == "close":
                self._rest(host)  # it is about to leave, and what waits for it to accept a connection then is lost
            else:
                self._rests.pop(host, None)
            return answer
        raise StoreUnavailable(f"the service did not answer {path.partition('?')[0]}: {problem}")

    def _new_client(self) -> httpx.Client:
        """Make the connections of one process. A transport that somebody else made is one process's, and stays so."""
        import httpx  # noqa: PLC0415 - open() has found it

        if self._transport is not None and os.getpid() != self._opened_in:
            raise StoreUnavailable(_FOREIGN_TRANSPORT)
        headers = {"content-type": "application/json"}
        if self._api_key is not None:
            headers["api-key"] = self._api_key.reveal().decode("ascii", "replace")
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        return httpx.Client(headers=headers, transport=self._transport, limits=limits, trust_env=False)

    def _rest(self, host: str) -> None:
        self._rests[host] = self._clock.monotonic() + REST

    def _attempts(self) -> list[str | None]:
        """Return hosts in the order to try; ``None`` is a pause."""
        self._turn += 1
        at, now = self._turn % len(self._hosts), self._clock.monotonic()
        turned = self._hosts[at:] + self._hosts[:at]
        once = sorted(turned, key=lambda host: self._rests.get(host, 0) > now)
        attempts: list[str | None] = [*once]
        for _ in range(1, ROUNDS):
            attempts += [None, *once]
        return attempts


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
