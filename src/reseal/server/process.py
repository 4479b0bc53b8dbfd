"""The service as a process: sockets, workers, signals. Needs the extra ``reseal[server]``.

On SIGTERM a process first reports that it is not ready, keeps answering for ``shutdown_delay``, then closes the port
and finishes the requests in progress. A second SIGTERM skips the delay.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from reseal._async.ports import AsyncStore
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.log import LOGGER
from reseal.metrics.exposition import CONTENT_TYPE
from reseal.server import audit, old_cases, request_log, tls, webhooks
from reseal.server.address import Proxies
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.server.config_rules import is_loopback
from reseal.server.crowd import Crowd, raise_limit, room_for_connections
from reseal.server.http.admission import Admission
from reseal.server.http.connection import CROWD, REFUSED, TLS, StrictHttp
from reseal.server.http.leaving import PatientServer
from reseal.server.http.messages import send_reply, text_reply
from reseal.server.scoreboard import Scoreboard
from reseal.server.stores import make_store
from reseal.settings.checks import maybe_milliseconds
from reseal.settings.rules import DAY

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

KEEP_ALIVE: Final = 620
"""Keep-alive timeout in seconds: longer than those of SDKs and proxies (nginx 60, Go 90, load balancers up to 600).

Whoever closes first must not be the service: a call that crosses the closing fails, and may not be repeated.
"""
GRACE: Final = 20
"""Seconds for requests in progress to finish, once the port is closed."""
WORKER_START: Final = 60
"""Start-up timeout of a worker, in seconds."""
PURGE_EVERY: Final = 10
"""Seconds between two purges."""
PURGE_ROWS: Final = 500
PURGE_PAUSE: Final = 0.05
"""Seconds between two steps of one purge: at most 10,000 rows a second."""
SCOREBOARD: Final = "_RESEAL_SCOREBOARD"
"""Environment variable with the folder of the workers' metrics."""
COLLECT_EVERY: Final = 50_000
"""New objects, less those that are gone, after which the cyclic collector looks at them."""
_SCRAPE_SECONDS: Final = 5
_HEAD_MAX: Final = 8192

Announce = Callable[[str, int], None]
"""Called with host and port once the service is accepting requests."""


class Application:
    """The service and its process-wide resources. An ASGI application."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        config_path: str = "",
        supervisor: BaseProcess | None = None,
        metrics_socket: socket.socket | None = None,
        board: Scoreboard | None = None,
    ) -> None:
        of_kind, store, pid = _service_class(settings), make_store(settings), supervisor.pid if supervisor else None
        self.service: Service = of_kind(settings, store, config_path=config_path, pid=pid, board=board)
        self._admission = Admission(self.service, settings.concurrent_requests, self.service.metrics.count_refused)
        self._supervisor = supervisor
        self._delay = settings.shutdown_delay
        self._loopback_only = not settings.wants_key and not settings.allow_open_access
        self._metrics_socket = metrics_socket
        self._metrics_server: asyncio.Server | None = None
        self._housekeeping: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._loopback_only and not _names_loopback(dict(scope["headers"]).get(b"host", b"")):
            # DNS rebinding: a page must not reach an open service on loopback through its own host name
            await send_reply(send, text_reply(403, "Forbidden: without API keys only loopback hosts are answered"))
        else:
            await self._admission(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        async def receive_or_end() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._end()
            return message

        async def begin_and_send(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                scope.setdefault("state", {})[REFUSED] = self.service.metrics.count_refused
                scope["state"][CROWD] = self._crowd()
                scope["state"][TLS] = tls.context(self.service.settings)
                await self._begin()
            await send(message)

        await self.service(scope, receive_or_end, begin_and_send)

    def _crowd(self) -> Crowd:
        settings, metrics = self.service.settings, self.service.metrics
        room = room_for_connections(raise_limit(), settings.postgresql_connection_pool_size)
        crowd = Crowd(settings.connections_per_address, room, Proxies(settings.trusted_proxies), metrics.count_closed)
        metrics.connections = crowd.__len__
        return crowd

    async def _begin(self) -> None:
        tasks = webhooks.tasks(self.service) + old_cases.tasks(self.service)
        self._housekeeping = [asyncio.create_task(self._purge()), *tasks]
        if self.service.board is not None:
            self._housekeeping.append(asyncio.create_task(self.service.board.keep_writing(self.service.metrics)))
            if self.service.settings.metrics_port is not None:
                self._metrics_socket = _bound(self.service.settings, self.service.settings.metrics_port, shared=True)
        if self._metrics_socket is not None:
            self._metrics_server = await asyncio.start_server(self._scrape, sock=self._metrics_socket, limit=_HEAD_MAX)
        for number in (signal.SIGTERM, signal.SIGINT):
            leave_now = signal.getsignal(number)
            if callable(leave_now):
                with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread: no signals
                    asyncio.get_running_loop().add_signal_handler(number, self._leave, number, leave_now)
        if self._supervisor is not None:
            asyncio.get_running_loop().add_reader(self._supervisor.sentinel, self._orphaned)

    async def _end(self) -> None:
        self.service.health.draining = True
        if self._supervisor is not None:
            asyncio.get_running_loop().remove_reader(self._supervisor.sentinel)
        if self._metrics_server is not None:
            self._metrics_server.close()
        for task in self._housekeeping:
            task.cancel()
        await asyncio.gather(*self._housekeeping, return_exceptions=True)
        if self.service.board is not None:
            with suppress(OSError):
                await self.service.board.write(self.service.metrics)
            self.service.board.close()

    def _leave(self, number: int, leave_now: Callable[[int, FrameType | None], object]) -> None:
        delay = self._delay if number == signal.SIGTERM and not self.service.health.draining else 0
        asyncio.get_running_loop().call_later(delay, leave_now, number, None)
        self.service.health.draining = True
        self.service.kill_feed.end()

    def _orphaned(self) -> None:
        """Exit if the supervisor dies, so that it can be restarted cleanly."""
        if self._supervisor is not None:
            asyncio.get_running_loop().remove_reader(self._supervisor.sentinel)
        LOGGER.warning("the supervisor of this worker is gone; the worker exits")
        signal.raise_signal(signal.SIGTERM)

    async def _purge(self) -> None:
        store, note = self.service.store, self.service.metrics.note_backlog
        events, kept = audit.Housekeeping(store, self.service.settings), self.service.settings.ended_sessions_kept
        kept_ms = maybe_milliseconds(kept, DAY)
        while True:
            with suppress(StoreUnavailable):  # requests report an unavailable store
                while await _purge_some(store, events, kept_ms):
                    note(await store.backlog())
                    await asyncio.sleep(PURGE_PAUSE)
                note(await store.backlog())
            await asyncio.sleep(PURGE_EVERY)

    async def _scrape(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on the metrics port."""
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            async with asyncio.timeout(_SCRAPE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                found = head.startswith(b"GET /metrics ")
                body = (await self.service.numbers()).encode() if found else b""
                writer.write(
                    (b"HTTP/1.1 200 OK" if found else b"HTTP/1.1 404 Not Found")
                    + b"\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                    % (CONTENT_TYPE.encode(), len(body), body)
                )
                await writer.drain()
        writer.close()


def _service_class(settings: ServiceSettings) -> type[Service]:
    """Import what traces only if it is wanted."""
    if not settings.opentelemetry:
        return Service
    try:
        from reseal.server.tracing import TracedService  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(("opentelemetry: needs the package opentelemetry-api, extra 'otel'",)) from None
    return TracedService


async def _purge_some(store: AsyncStore, events: audit.Housekeeping, kept_ms: int | None = None) -> bool:
    """Take one step of purging; returns whether there is more to do."""
    is_behind = (await store.purge(PURGE_ROWS, kept_ms)).looked_at >= PURGE_ROWS
    return await events.step() or is_behind


def worker() -> Application:
    """Create the application of one of several workers; its environment holds the configuration."""
    settings = ServiceSettings.load()
    request_log.set_up(settings.log_level)
    board = Scoreboard(Path(os.environ[SCOREBOARD]))
    config_path = os.environ.get("RESEAL_CONFIG", "")
    _spare_the_collector()
    return Application(settings, config_path=config_path, supervisor=parent_process(), board=board)


def serve(settings: ServiceSettings, announce: Announce, *, config_path: str = "") -> int:
    """Answer requests until a signal arrives; return the exit code.

    With several workers, the environment must hold the same configuration. Raises ``ConfigurationError``, also if the
    port is taken, and ``StoreUnavailable``; then nothing was started.
    """
    with _listening(settings, settings.port) as listener:
        host, port = settings.host, listener.getsockname()[1]
        check_bound(settings, listener.getsockname()[0])
        tls.context(settings)
        webhooks.require(settings)
        asyncio.run(open_once(settings))
        signal.signal(signal.SIGTERM, _exit)
        with suppress(KeyboardInterrupt):
            if settings.metrics_port is None:
                return _answer(settings, listener, None, lambda: announce(host, port), config_path)
            with _listening(settings, settings.metrics_port) as scraped:
                return _answer(settings, listener, scraped, lambda: announce(host, port), config_path)
    return 0


async def open_once(settings: ServiceSettings) -> None:
    """Open the store and the keys, and close them again, so that problems are reported before anything is started."""
    service = Service(settings, make_store(settings))
    try:
        await service.open()
    finally:
        await service.close()


def check_bound(settings: ServiceSettings, address: str) -> None:
    """Raise ``ConfigurationError`` if an address is not loopback, regardless of its host name."""
    if settings.wants_key or settings.allow_open_access or ipaddress.ip_address(address).is_loopback:
        return
    raise ConfigurationError(
        (f"'host' {settings.host} is {address}, which is not loopback, and there are no 'api_keys': set api_keys",)
    )


def _answer(
    settings: ServiceSettings,
    listener: socket.socket,
    scraped: socket.socket | None,
    announce: Callable[[], None],
    config_path: str,
) -> int:
    if settings.workers == 1:
        return _run(settings, listener, scraped, announce, config_path)
    if scraped is not None:
        scraped.close()  # the port was free; every worker listens there, and each reports for all
    with TemporaryDirectory(prefix="reseal-", ignore_cleanup_errors=True) as folder:
        os.environ[SCOREBOARD] = folder
        return _supervise(settings, listener, announce)


def _run(
    settings: ServiceSettings,
    listener: socket.socket,
    metrics_socket: socket.socket | None,
    announce: Callable[[], None],
    config_path: str,
) -> int:
    application = Application(settings, config_path=config_path, metrics_socket=metrics_socket)
    server = _Server(_config(settings, application), announce)
    _spare_the_collector()
    server.run(sockets=[listener])
    return 0 if server.started else STARTUP_FAILURE


def _supervise(settings: ServiceSettings, listener: socket.socket, announce: Callable[[], None]) -> int:
    supervisor = _Supervisor(_config(settings, "reseal.server.process:worker"), [listener])
    supervisor.announce = announce
    supervisor.run()
    return STARTUP_FAILURE if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes) else 0


class _Server(PatientServer):
    """Announces when it accepts requests."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


class _Supervisor(Multiprocess):
    """Announces when every worker accepts requests."""

    announce: Callable[[], None]

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKER_START, self.should_exit) for process in self.processes):
            self.announce()


def _config(settings: ServiceSettings, application: Application | str) -> uvicorn.Config:
    strict, files = settings.http == "strict", tls.files(settings)
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=StrictHttp if strict else "httptools",
        ssl_context_factory=None if strict or files is None else partial(tls.make, files),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # uvicorn must not replace the peer address
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=WORKER_START,
    )


@contextmanager
def _listening(settings: ServiceSettings, port: int) -> Iterator[socket.socket]:
    with _bound(settings, port) as bound:
        bound.set_inheritable(True)
        yield bound


def _bound(settings: ServiceSettings, port: int, *, shared: bool = False) -> socket.socket:
    """Listen on a port; ``shared``: together with other workers. Raises ``ConfigurationError``."""
    try:
        facts = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigurationError((f"'host' {settings.host} is not known here ({error.strerror})",)) from None
    family, kind, number, _, address = facts[0]
    bound = socket.socket(family, kind, number)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(2048)  # two processes may bind one port, but not both listen there
    except OSError as error:
        bound.close()
        raise ConfigurationError((_no_port(settings, port, error),)) from None
    return bound


def _no_port(settings: ServiceSettings, port: int, error: OSError) -> str:
    option = "metrics_port" if port == settings.metrics_port else "--port"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {settings.host} is taken: stop what listens there, or choose another one by {option}"
    is_privileged, other = error.errno == errno.EACCES, f"choose another by {option}, or another host"
    advice = "choose a port above 1023, or grant CAP_NET_BIND_SERVICE" if is_privileged else other
    return f"cannot listen on {settings.host}:{port} ({error.strerror}): {advice}"


def _spare_the_collector() -> None:
    """Have the cyclic collector look at what requests leave, seldom, and no longer at what the start has built.

    A request leaves no cycles. With the usual threshold each one of them pays for half a collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)


@lru_cache(maxsize=64)
def _names_loopback(sent: bytes) -> bool:
    host = sent.decode("latin-1").strip().lower()
    return is_loopback(host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host)


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
