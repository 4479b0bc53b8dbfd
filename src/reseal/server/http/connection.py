"""HTTP/1.1 as it comes over a socket: strict framing, and limits on how long and how large a request's head may be.

The parser is llhttp, which refuses a bare line feed, a folded header and a malformed chunk. What it lets pass and two
parsers may read in two ways, is refused here. A request that is refused is answered 400 and ends its connection.

A protocol of uvicorn, which brings the sockets, the processes and the signals.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Coroutine, Iterable
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from reseal.server.crowd import Crowd
from reseal.server.http.exchange import KNOWN, Exchange, Header

HEAD_BYTES: Final = 32 * 1024
"""Most bytes of a request line and headers together."""
HEAD_FIELDS: Final = 100
HEAD_SECONDS: Final = 10.0
"""Time for a head to arrive in, counted from its first byte, or from the connection on for the first one."""

LINGER_SECONDS: Final = 2.0
"""Time for a client to take the reply to a request whose body it is still sending; closing at once could destroy it."""

CROWD: Final = "crowd"
"""Under this name the state of the lifespan has the ``Crowd`` that connections belong to."""
REFUSED: Final = "refused"
"""Under this name the state of the lifespan has whom to tell the status of what was no request."""
TLS: Final = "tls"
"""Under this name the state of the lifespan has the context of TLS, where connections speak it."""
_REFUSAL: Final = "HTTP/1.1 {} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE: Final = "431 Request Header Fields Too Large"
_FRAMING: Final = frozenset({b"host", b"transfer-encoding", b"expect"})
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
_OLD: Final = "1.0"


class StrictHttp(asyncio.Protocol):
    """One connection. What a callback of the parser raises, the parser makes an error of its own of."""

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.loop: asyncio.AbstractEventLoop = _loop or asyncio.get_running_loop()
        self.writable: asyncio.Future[None] | None = None
        self._application = config.loaded_app
        self._idle_seconds = config.timeout_keep_alive
        self._server = server_state
        self._count_refused = app_state.get(REFUSED)
        self._crowd: Crowd | None = app_state.get(CROWD)
        self._is_known = self._crowd is None
        self._tls: ssl.SSLContext | None = app_state.get(TLS)
        self._early = b""
        """What came before TLS was ready to take it."""
        self._parser = httptools.HttpRequestParser(self)
        # what follows a request that wants to be the last one is not read, but does not spoil its answer either
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._client: tuple[str, int] | None = None
        self._exchange: Exchange | None = None
        """The one whose request came last."""
        self._running: Exchange | None = None
        """The one that is being answered; those that came after it wait in the queue."""
        self._queue: deque[Exchange] = deque()
        self._refusal: str | None = None
        """The status that ends the connection, once the whole requests before it are answered."""
        self._is_lost = False
        self._wanted: asyncio.Future[None] | None = None
        """Done once there is something to answer, or nobody any more."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_pressed = True
        """Whether the timer is that of a head that is to arrive, and not that of a connection that rests."""
        self._resting_since = 0.0
        self._is_lingering = False
        self._arriving = False
        self._in_head = True
        self._received = 0
        """Bytes of a head that is still arriving."""
        self._size = 0
        self._hosts = 0
        self._expects = False
        self._url = b""
        self._headers: list[Header] = []

    # -- the connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP, or TLS over it
        self.transport = transport
        self._client = get_remote_addr(transport)
        self._server.connections.add(self)  # type: ignore[arg-type]  # it knows its own protocols only
        if self._crowd is not None:  # before TLS: who never begins it holds a descriptor as well
            self._crowd.enter(self, self._client and self._client[0])
        if self._tls is None:
            self._serve()
        else:
            transport.pause_reading()
            self._run(self._secure(self._tls))

    async def _secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self.loop.call_soon(self._hand_over, self.transport)
        try:
            secured = await self.loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=HEAD_SECONDS
            )
        except OSError as error:  # of TLS too: there is nobody to answer
            self.connection_lost(error)
            return
        if secured is not None and not self._is_lost:
            self.transport = secured
            self._serve()

    def _hand_over(self, transport: asyncio.Transport) -> None:
        """Give TLS what came while nobody had asked for it yet; not every loop heeds a pause so early."""
        taker, early = cast("asyncio.BufferedProtocol", transport.get_protocol()), memoryview(self._early)
        while early and hasattr(taker, "buffer_updated"):  # it is this protocol still if the client has left
            room = memoryview(taker.get_buffer(len(early)))
            taken = min(len(room), len(early))
            room[:taken] = early[:taken]
            taker.buffer_updated(taken)
            early = early[taken:]
        self._tls, self._early = None, b""

    def _serve(self) -> None:
        self._run(self._answer())
        self._arm(HEAD_SECONDS)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever the reason was, there is nobody to tell
        if self._is_lost:  # TLS tells it as well
            return
        self._server.connections.discard(self)
        if self._crowd is not None:
            self._crowd.leave(self)
        self.resume_writing()
        self._queue.clear()
        self._is_lost = True
        self._wake()
        for exchange in (self._running, self._exchange):
            if exchange is not None:
                exchange.abandon()
        if self._timer is not None:
            self._timer.cancel()
        del self._parser  # which knows this connection, as this one knows it

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        if self._tls is not None:
            self._early += data
            return
        if self._is_lingering:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError:
            is_too_large = self._size > HEAD_BYTES or len(self._headers) > HEAD_FIELDS
            self._refuse(_TOO_LARGE if is_too_large else "400 Bad Request")
        else:
            if self._in_head:
                self._received += len(data)
                if self._received > HEAD_BYTES:
                    self._refuse(_TOO_LARGE)
        self._press()

    def _feed(self, data: memoryview) -> memoryview:
        """Give what follows an offer to upgrade: nothing else is spoken here, so it is the next request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        return data[:0]

    def pause_writing(self) -> None:
        self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.writable is not None and not self.writable.done():
            self.writable.set_result(None)
        self.writable = None

    def shutdown(self) -> None:
        """Close once the request that is being answered is done."""
        if self._running is None or self._exchange is None:
            self.transport.close()
        else:
            self._exchange.keep_alive = False

    @property
    def is_idle(self) -> bool:
        return self._running is None or self.writable is not None

    def drop(self) -> None:
        self.transport.abort()  # not close: the other side could keep that waiting

    def linger(self) -> None:
        """Read nothing more, and close as soon as the client has had time for the reply."""
        self._is_lingering = True
        self._arm(LINGER_SECONDS)

    def hang_up(self, status: str) -> None:
        """Answer with a bare status and close. It is counted, and no line in the log, which any stranger could fill."""
        if not self.transport.is_closing():
            self.transport.write(_REFUSAL.format(status).encode())
            self.transport.close()
            if self._count_refused is not None:
                self._count_refused(int(status[:3]))

    # -- one exchange after the other -------------------------------------------------------------------------------

    def default_headers(self) -> Iterable[Header]:
        return self._server.default_headers

    def replied(self) -> None:
        """Go on to the next request."""
        self._running = None
        self._resting_since = self.loop.time()
        if self._queue:
            self._running = self._queue.popleft()
            if not self._queue:
                self.transport.resume_reading()
        elif self._refusal is not None:
            self.hang_up(self._refusal)
        else:
            self._press()

    async def _answer(self) -> None:
        """Answer one request after the other: one task for all, because to make one costs more than to parse a head."""
        while not self._is_lost:
            exchange = self._running
            if exchange is None:
                self._wanted = self.loop.create_future()
                await self._wanted
            else:
                await exchange.run(self._application)
                if not self._is_known and KNOWN in exchange.scope:
                    self._be_known()
                if not exchange.done:
                    break

    def _be_known(self) -> None:
        self._is_known = True
        if self._crowd is not None and not self._is_lost:
            self._crowd.vouch(self)

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    # -- patience ---------------------------------------------------------------------------------------------------

    def _press(self) -> None:
        """Wait only so long for what is to come of a request, unless one is being answered."""
        if self._arriving and self._running is None and not self._is_pressed:
            self._is_pressed = True
            self._arm(HEAD_SECONDS)

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Close what has waited for too long; the timer is not set anew for each request."""
        if self._is_lingering:
            self.transport.abort()
        elif self._running is not None:
            self._arm(self._idle_seconds)
        elif self._is_pressed:
            self.hang_up("408 Request Timeout")
        else:
            left = self._resting_since + self._idle_seconds - self.loop.time()
            if left > 0:
                self._arm(left)
            else:
                self.transport.close()

    # -- callbacks of the parser ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._arriving = self._in_head = True
        self._received = self._size = self._hosts = 0
        self._expects = False
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self._in_head:  # what follows a body is counted, and not believed
            self._headers.append((name, value))
        self._size += len(name) + len(value)
        if self._size > HEAD_BYTES or len(self._headers) > HEAD_FIELDS:
            raise ValueError("the head is too large")
        if name in _FRAMING:
            self._note(name, value.lower())

    def on_headers_complete(self) -> None:
        version = self._parser.get_http_version()
        if self._hosts > 1 or (not self._hosts and version != _OLD):
            raise ValueError("a request names one host (RFC 9112, section 3.2)")
        if self._parser.should_upgrade() and any(name in _BODY and value != b"0" for name, value in self._headers):
            raise ValueError("the parser would take the body for what is spoken after an upgrade")
        path, raw_path, query = _target(self._url)
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            "client": self._client,
        }
        self._in_head = self._is_pressed = False
        keep_alive = version != _OLD and self._parser.should_keep_alive()
        exchange = self._exchange = Exchange(self, scope, keep_alive=keep_alive, expects=self._expects)
        if self._running is None:
            self._running = exchange
            self._wake()
        else:
            self._queue.append(exchange)
            self.transport.pause_reading()

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._exchange.take(body)

    def on_message_complete(self) -> None:
        self._arriving = False
        if self._exchange is not None:
            self._exchange.end()

    def _note(self, name: bytes, value: bytes) -> None:
        """Look at a header that says where a request ends, or who is to wait for whom."""
        if name == b"host":
            self._hosts += 1
        elif name == b"expect":
            self._expects = value == b"100-continue"
        elif value != b"chunked" or self._parser.get_http_version() == _OLD:
            raise ValueError("no other coding is known here, and who guesses where the body ends, guesses wrong")

    def _refuse(self, status: str) -> None:
        """Refuse what is no request, after the answers to the requests before it: they may have been carried out."""
        is_begun = self._arriving and not self._in_head
        if is_begun and self._queue:
            self._queue.pop()
        if self._running is None or (is_begun and self._running is self._exchange):
            self.hang_up(status)
        else:
            self._refusal = status


_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


@lru_cache(maxsize=64)
def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Read a request's target: path, the same as it was sent, query. Raises ``ValueError``, or the parser's error."""
    parsed = httptools.parse_url(url)
    return unquote(parsed.path.decode("ascii")), parsed.path, parsed.query or b""
