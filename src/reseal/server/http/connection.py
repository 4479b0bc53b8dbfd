"""HTTP/1.1 as it comes over a socket: strict framing, and limits on how long and how large a request's head may be.

The parser is llhttp, which refuses a bare line feed, a folded header and a malformed chunk; ``head`` refuses what else
two parsers may read in two ways. A request that is refused is answered 400 and ends its connection.

A connection is in one of these states. They say what its next bytes are; whether a request is being answered at the
same time says ``_running``, and those that came after it wait in ``_queue``.

==========  ============================================  ==========================================================
state       the next bytes are                            it ends when
==========  ============================================  ==========================================================
SECURING    for TLS, which is starting                    TLS has started: HEAD_TIMED
HEAD_TIMED  the head that has to be whole in time         the head is whole: BODY; its time is over: CLOSING, with 408
HEAD        more of a head                                the head is whole: BODY; nothing more has come of it and no
                                                          request is being answered: HEAD_TIMED
BODY        more of a body                                the body is whole: IDLE; the reply is written before that:
                                                          LINGERING
IDLE        the next request's                            the first of them comes: HEAD
CLOSING     ignored; a bare status ends the connection,   the client has disconnected: LOST
            after the replies to whole requests
LINGERING   ignored; the client has time for the reply    the time is over, or the client has disconnected: LOST
LOST        none: the client has disconnected             never
==========  ============================================  ==========================================================

From every state but LOST a connection may be lost; from HEAD_TIMED, HEAD, BODY and IDLE it goes to CLOSING if what
comes is not a request or the application fails. ``TRANSITIONS`` is this table as data, and the tests walk no other way.

A protocol of uvicorn, which brings the sockets, the processes and the signals.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from reseal.server.crowd import Crowd
from reseal.server.http.exchange import KNOWN, Exchange, Header
from reseal.server.http.head import OLD, Head
from reseal.server.http.replies import Replies
from reseal.server.http.securing import Securing


class State(Enum):
    """What the next bytes of a connection are: the table above."""

    SECURING = auto()
    HEAD_TIMED = auto()
    HEAD = auto()
    BODY = auto()
    IDLE = auto()
    CLOSING = auto()
    LINGERING = auto()
    LOST = auto()


# names of their own, because Python 3.11 looks a member up by a function, several times a request
SECURING, HEAD_TIMED, HEAD, BODY, IDLE, CLOSING, LINGERING, LOST = State

TRANSITIONS: Final = {
    SECURING: {HEAD_TIMED, LOST},
    HEAD_TIMED: {BODY, CLOSING, LOST},
    HEAD: {BODY, HEAD_TIMED, CLOSING, LOST},
    BODY: {IDLE, LINGERING, CLOSING, LOST},
    IDLE: {HEAD, CLOSING, LOST},
    CLOSING: {LOST},
    LINGERING: {LOST},
    LOST: set[State](),
}

HEAD_SECONDS: Final = 10.0
"""Time for a head to arrive in, counted from its first byte, or from the connection on for the first one."""
PARTING_SECONDS: Final = 0.5
"""Time for a request that was sent before its client could know of a shutdown; closing at once would reset it."""
LINGER_SECONDS: Final = 2.0
"""Time for a client to take the reply to a request whose body it is still sending; closing at once could destroy it."""

REPLIES: Final = "replies"
"""Lifespan-state key of the ``Replies`` of this event loop."""
CROWD: Final = "crowd"
"""Lifespan-state key of the ``Crowd`` that counts the open connections."""
REFUSED: Final = "refused"
"""Lifespan-state key of the callback that counts rejected non-requests, by status."""
TLS: Final = "tls"
"""Lifespan-state key of the TLS context, where connections speak TLS."""
_REFUSAL: Final = "HTTP/1.1 {} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE: Final = "431 Request Header Fields Too Large"


class StrictHttp(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport
    is_leaving: bool = False
    """Whether the process is about to leave: the next request is the last one."""

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
        self.replies: Replies = app_state.setdefault(REPLIES, Replies(self.loop))
        self.writable: asyncio.Future[None] | None = None
        tls: ssl.SSLContext | None = app_state.get(TLS)
        self._securing: Securing | None = None if tls is None else Securing(tls)
        self.state: State = HEAD_TIMED if tls is None else SECURING
        self._application = config.loaded_app
        self._idle_seconds = config.timeout_keep_alive
        self._server = server_state
        self._count_refused = app_state.get(REFUSED)
        self._crowd: Crowd | None = app_state.get(CROWD)
        self._is_known = self._crowd is None
        self._client: tuple[str, int] | None = None
        self._head = Head()
        self.on_header: Callable[[bytes, bytes], None] = self._head.add
        self._parser = httptools.HttpRequestParser(self)
        # what follows a request that wants to be the last one is not read, but does not spoil its answer either
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._piece_is_head = True
        """Whether the piece that is being read holds nothing but one head, or a part of one."""
        self._exchange: Exchange | None = None
        """The one whose request came last."""
        self._running: Exchange | None = None
        """The one that is being answered."""
        self._queue: deque[Exchange] = deque()
        self._last_status: str | None = None
        """Ends the connection once the whole requests before it are answered."""
        self._wanted: asyncio.Future[None] | None = None
        """Resolved when a request is ready or the client has disconnected."""
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    # -- the connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP, or TLS over it
        self.transport = transport
        self._client = get_remote_addr(transport)
        self._server.connections.add(self)  # type: ignore[arg-type]  # it knows its own protocols only
        if self._crowd is not None:
            self._crowd.enter(self, self._client and self._client[0])
        if self._securing is None:
            self._serve()
        else:
            transport.pause_reading()
            self._run(self._secure(self._securing))

    async def _secure(self, securing: Securing) -> None:
        """Speak TLS from now on."""
        self.loop.call_soon(self._hand_over, securing, self.transport)
        try:
            secured = await securing.start(self.transport, self, self.loop, HEAD_SECONDS)
        except OSError as error:  # of TLS too: there is no client to answer
            self.connection_lost(error)
            return
        if secured is not None and self.state is not LOST:
            self.transport = secured
            self._serve()

    def _hand_over(self, securing: Securing, transport: asyncio.Transport) -> None:
        """Take bytes from TLS, which now has those that came before it."""
        securing.hand_over(transport)
        if self.state is SECURING:
            self.state = HEAD_TIMED

    def _serve(self) -> None:
        self._run(self._answer())
        self._arm(PARTING_SECONDS if self.is_leaving else HEAD_SECONDS)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever the reason was, there is no client to answer
        if self.state is LOST:  # TLS reports it as well
            return
        self.state = LOST
        self._server.connections.discard(self)
        if self._crowd is not None:
            self._crowd.leave(self)
        self.resume_writing()
        self._wake()
        for exchange in (self._running, self._exchange, *self._queue):
            if exchange is not None:
                exchange.abandon()
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
        del self._parser  # which knows this connection, as this one knows it

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state is SECURING and self._securing is not None:
            self._securing.keep(data)
        elif state is not CLOSING and state is not LINGERING:
            self._read(data)

    def pause_writing(self) -> None:
        self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.writable is not None and not self.writable.done():
            self.writable.set_result(None)
        self.writable = None

    def shutdown(self) -> None:
        """Close once the request that is being answered is done, or the next one, if that comes at once."""
        if self._running is None or self._exchange is None:
            self.is_leaving = True
            self._arm(PARTING_SECONDS)
        else:
            self._exchange.keep_alive = False

    @property
    def is_idle(self) -> bool:
        return self._running is None or self.writable is not None

    def drop(self) -> None:
        self.replies.flush()
        self.transport.abort()  # not close: the other side could keep that waiting

    # -- bytes ------------------------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        self._piece_is_head = self.state is not BODY
        rest = data
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:  # nothing else is spoken here: it is the next request
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refuse(_TOO_LARGE if self._head.is_too_large else "400 Bad Request")
                return
        if self.state is HEAD or self.state is HEAD_TIMED:
            self._wait_for_head(len(data))

    def _wait_for_head(self, received: int) -> None:
        """Limit the size of a head of which more is to come, and the time for it."""
        if self._piece_is_head:
            self._head.received += received
        if self._head.is_too_large:
            self._refuse(_TOO_LARGE)
        else:
            self._time_head()

    def on_message_begin(self) -> None:
        self._head.begin()
        if self.state is IDLE:
            self.state = HEAD

    def on_url(self, url: bytes) -> None:
        self._head.add_url(url)

    def on_headers_complete(self) -> None:
        scope = self._head.scope(self._parser, self._client)
        keep_alive = scope["http_version"] != OLD and self._parser.should_keep_alive() and not self.is_leaving
        exchange = self._exchange = Exchange(self, scope, keep_alive=keep_alive, expects=self._head.expects)
        self.replies.awaited.add(exchange)
        self.state = BODY
        self._piece_is_head = False
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
        self.state = IDLE
        if self._exchange is not None:
            self._exchange.end()

    def _refuse(self, status: str) -> None:
        """Refuse a non-request, after the answers to the requests before it: they may have been carried out."""
        has_begun = self.state is BODY
        if has_begun and self._queue:
            self._queue.pop().abandon()
        if self._running is None or (has_begun and self._running is self._exchange):
            self.close_with(status)
        else:
            self._last_status = status
            self.state = CLOSING

    # -- one exchange after the other -------------------------------------------------------------------------------

    async def _answer(self) -> None:
        """Answer one request after the other: one task for all, because to make one costs more than to parse a head."""
        while self.state is not LOST:
            exchange = self._running
            if exchange is None:
                self._wanted = self.loop.create_future()
                await self._wanted
            else:
                await exchange.run(self._application)
                if not self._is_known and KNOWN in exchange.scope:
                    self._mark_known()
                if not exchange.done:
                    break

    def close(self) -> None:
        self.replies.flush()
        self.transport.close()

    def default_headers(self) -> list[Header]:
        return self._server.default_headers

    def replied(self) -> None:
        """Go on to the next request."""
        self._running = None
        self._idle_since = self.loop.time()
        if self._queue:
            self._running = self._queue.popleft()
            if not self._queue:
                self.transport.resume_reading()
        elif self._last_status is not None:
            self.close_with(self._last_status)
        elif self.state is HEAD:
            self._time_head()

    def linger(self) -> None:
        """Read nothing more, and close as soon as the client has had time for the reply."""
        self.state = LINGERING
        self._arm(LINGER_SECONDS)

    def close_with(self, status: str) -> None:
        """Answer with a bare status and close. It is counted, and not logged: any stranger could fill the log."""
        if not self.transport.is_closing():
            self.state = CLOSING
            self.replies.flush()
            self.transport.write(_REFUSAL.format(status).encode())
            self.transport.close()
            if self._count_refused is not None:
                self._count_refused(int(status[:3]))

    def _mark_known(self) -> None:
        self._is_known = True
        if self._crowd is not None and self.state is not LOST:
            self._crowd.vouch(self)

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    # -- time -------------------------------------------------------------------------------------------------------

    def _time_head(self) -> None:
        """Limit the time for the rest of a head, unless a request before it is being answered."""
        if self.state is HEAD and self._running is None:
            self.state = HEAD_TIMED
            self._arm(HEAD_SECONDS)

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        """Close what has waited for too long; the timer is not set anew for each request."""
        if self.state is LINGERING:
            self.transport.abort()
        elif self._running is not None:
            self._arm(self._idle_seconds)
        elif self.is_leaving:
            self.close()
        elif self.state is HEAD_TIMED:
            self.close_with("408 Request Timeout")
        else:
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        left = self._idle_since + self._idle_seconds - self.loop.time()
        if left > 0:
            self._arm(left)
        else:
            self.close()
