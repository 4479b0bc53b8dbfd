"""A connection, its requests and their replies, over a transport that the test holds in its hands."""

import asyncio
import json
import logging
import re
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from reseal.server.http import connection
from reseal.server.http.connection import REFUSED, REPLIES, TRANSITIONS, StrictHttp
from reseal.server.http.messages import body_of, read_request, send_reply, text_reply
from reseal.server.http.replies import Replies
from reseal.server.kill_feed import leaving
from tests.server.material import KEY, Core

HOST = b"host: localhost\r\n"
DATE = (b"date", b"Mon, 23 Nov 2026 10:00:00 GMT")


class Transport:
    """What a client would see of a connection."""

    def __init__(self):
        self.writes = []
        self.reads = True
        self.closed = False

    def get_extra_info(self, name):
        return ("127.0.0.1", 5000) if name == "peername" else None

    def write(self, data):
        assert not self.closed
        self.writes.append(data)

    def pause_reading(self):
        self.reads = False

    def resume_reading(self):
        self.reads = True

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    abort = close

    @property
    def statuses(self):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", b"".join(self.writes))]


class Watched(StrictHttp):
    """A connection that changes its state in no other way than its table says."""

    def __setattr__(self, name, value):
        if name == "state" and hasattr(self, "state") and value is not self.state:
            assert value in TRANSITIONS[self.state], f"{self.state} to {value}"
        super().__setattr__(name, value)


class Client:
    """One client of an application, whose connection may rest for five seconds."""

    def __init__(self, application, loop=None, shared=None):
        """``shared``: what the connections of one server share."""
        self.refused = []
        self.state = ServerState()
        self.state.default_headers = [DATE]
        config = uvicorn.Config(application, log_config=None, proxy_headers=False, lifespan="off", timeout_keep_alive=5)
        shared = {} if shared is None else shared
        self.protocol = Watched(config, self.state, shared | {REFUSED: self.refused.append}, loop)
        self.transport = Transport()
        self.protocol.connection_made(self.transport)

    async def send(self, *pieces):
        for piece in pieces:
            self.protocol.data_received(piece)
            await turns()

    async def leave(self):
        self.transport.close()
        self.protocol.connection_lost(None)
        await turns()


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


class Echo:
    """Answers with the body, each request once it may."""

    def __init__(self):
        self.may = asyncio.Event()
        self.may.set()
        self.answered = []

    async def __call__(self, scope, receive, send):
        request = read_request(scope)
        try:
            body = await body_of(request, receive)
        except ConnectionAbortedError:
            self.answered.append("gone")
            return
        await self.may.wait()
        headers = [(b"content-length", str(len(body)).encode()), (b"x-seen", json.dumps(seen(scope)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.answered.append(body)


def seen(scope):
    return [name.decode() for name, _ in scope["headers"]]


def post(body, *headers, path=b"/"):
    lines = b"".join(b"%b\r\n" % header for header in headers)
    return b"POST %b HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n%b" % (path, HOST, lines, len(body), body)


async def test_a_reply_goes_out_in_one_piece():
    client = Client(Echo())
    await client.send(post(b"one"))
    head = b"HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\ncontent-length: 3\r\n"
    assert client.transport.writes == [head + b'x-seen: ["host", "content-length"]\r\n\r\none']


async def test_requests_that_come_together_are_answered_one_after_the_other_in_their_order():
    echo = Echo()
    echo.may.clear()
    client = Client(echo)
    await client.send(post(b"one") + post(b"two") + post(b"three"))
    assert client.transport.writes == []
    assert not client.transport.reads, "nothing more is taken in while requests wait"
    echo.may.set()
    await turns()
    assert [write.rpartition(b"\r\n")[2] for write in client.transport.writes] == [b"one", b"two", b"three"]
    assert client.transport.reads


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_a_request_may_come_in_pieces_of_any_size(size):
    client, sent = Client(Echo()), post(b"one") + post(b"two")
    await client.send(*(sent[n : n + size] for n in range(0, len(sent), size)))
    assert [write.rpartition(b"\r\n")[2] for write in client.transport.writes] == [b"one", b"two"]


async def test_of_a_long_body_only_so_much_is_taken_in_before_it_is_read():
    client = Client(Echo())
    head = post(b"x" * 200_000).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    client.protocol.data_received(head + b"x" * 100_000)
    assert not client.transport.reads
    await turns()
    assert client.transport.reads
    await client.send(b"x" * 100_000)
    assert client.transport.statuses == [200]
    assert client.transport.writes[0].endswith(b"\r\n" + b"x" * 200_000)


async def test_who_does_not_read_its_replies_is_sent_no_more_of_them():
    client = Client(Echo())
    client.protocol.pause_writing()
    await client.send(post(b"one") + post(b"two"))
    assert client.transport.writes == []
    client.protocol.resume_writing()
    await turns()
    assert client.transport.statuses == [200, 200]


async def test_who_asks_before_it_sends_a_body_is_told_to_go_on_once_the_body_is_wanted():
    client, sent = Client(Echo()), post(b"one", b"expect: 100-continue")
    await client.send(sent.removesuffix(b"one"))
    assert client.transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    await client.send(b"one")
    assert client.transport.statuses == [100, 200]


async def test_who_asks_before_it_sends_a_body_and_has_no_key_is_not_told_to_go_on():
    core = Core(api_keys=(KEY,))
    await core.service.open()
    client = Client(core.service)
    sent = post(b"{}", b"expect: 100-continue", path=b"/recipe/session")
    await client.send(sent.removesuffix(b"{}"))
    assert client.transport.statuses == [401]


async def test_who_asks_for_the_head_gets_no_body():
    client = Client(Echo())
    await client.send(post(b"one").replace(b"POST", b"HEAD") + post(b"two"))
    heads = b"".join(client.transport.writes).split(b"\r\n\r\n")
    assert [head.startswith(b"HTTP/1.1 200 OK\r\n") for head in heads] == [True, True, False]
    assert heads[-1] == b"two"


UPGRADE = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
async def test_an_upgrade_is_not_made_and_what_follows_is_the_next_request(together):
    client = Client(Echo())
    offer = b"GET / HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n"
    pieces = [offer, offer, post(b"two")]
    await client.send(*([b"".join(pieces)] if together else pieces))
    assert [write.rpartition(b"\r\n")[2] for write in client.transport.writes] == [b"", b"", b"two"]
    assert client.transport.statuses == [200, 200, 200]
    await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.transport.statuses[3:] == [400]
    assert client.transport.closed


@pytest.mark.parametrize("body", [b"content-length: 3\r\n\r\none", b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_an_upgrade_with_a_body_is_refused_rather_than_read_without_it(body):
    client = Client(Echo())
    await client.send(b"POST / HTTP/1.1\r\n" + HOST + UPGRADE + body)
    assert client.transport.statuses == [400]
    assert client.transport.closed


async def test_what_follows_a_body_is_no_header():
    client = Client(Echo())
    chunked = b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\napi-key: x\r\n\r\n"
    await client.send(chunked)
    assert b'["host", "transfer-encoding"]' in client.transport.writes[0]


@pytest.mark.parametrize("last", [b"connection: close", b"Connection: Close"])
async def test_the_last_request_of_a_connection_is_answered_and_what_follows_is_not(last):
    client = Client(Echo())
    await client.send(post(b"one", last) + post(b"two"))
    assert client.transport.statuses == [200]
    assert b"connection: close\r\n" in client.transport.writes[0]
    assert client.transport.closed


async def test_a_connection_is_closed_at_a_shutdown_once_its_request_is_answered():
    busy = Client(echo := Echo())
    echo.may.clear()
    await busy.send(post(b"one"))
    busy.protocol.shutdown()
    assert not busy.transport.closed
    echo.may.set()
    await turns()
    assert busy.transport.closed
    assert b"connection: close\r\n" in busy.transport.writes[0]


async def test_a_request_goes_on_when_its_client_has_left_but_not_one_whose_body_is_missing():
    echo = Echo()
    echo.may.clear()
    whole, half = Client(echo), Client(echo)
    await whole.send(post(b"one"))
    await half.send(post(b"two").removesuffix(b"o"))
    for client in (whole, half):
        await client.leave()
    assert echo.answered == ["gone"]
    echo.may.set()
    await turns()
    assert echo.answered == ["gone", b"one"]
    assert whole.transport.writes == half.transport.writes == []
    assert not whole.state.tasks | half.state.tasks
    assert not whole.state.connections | half.state.connections


class LongPoll:
    """Answers a request once it may, and notices a client that leaves before."""

    def __init__(self):
        self.may = asyncio.Event()
        self.messages = []

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/now":
            await send_reply(send, text_reply(200, "now"))
            return
        self.messages.append((await receive())["type"])
        leaving = asyncio.create_task(receive())
        allowed = asyncio.create_task(self.may.wait())
        await asyncio.wait({leaving, allowed}, return_when=asyncio.FIRST_COMPLETED)
        allowed.cancel()
        if not leaving.done():
            await send_reply(send, text_reply(200, "later"))
        self.messages.append((await leaving)["type"])


async def test_who_waits_for_its_answer_is_noticed_when_it_leaves():
    waiting = LongPoll()
    client = Client(waiting)
    await client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
    assert waiting.messages == ["http.request"]
    await client.leave()
    assert waiting.messages == ["http.request", "http.disconnect"]
    assert not client.state.tasks


async def test_who_waits_for_its_answer_gets_it_and_then_the_next_one():
    waiting = LongPoll()
    client = Client(waiting)
    await client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST, b"GET /now HTTP/1.1\r\n%b\r\n" % HOST)
    assert client.transport.statuses == []
    waiting.may.set()
    await turns()
    assert client.transport.statuses == [200, 200]
    assert waiting.messages == ["http.request", "http.disconnect"]


async def test_who_waits_for_its_answer_holds_no_other_reply_back():
    shared = {}
    waiting = LongPoll()
    first, second = Client(waiting, shared=shared), Client(waiting, shared=shared)
    await first.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
    assert not first.protocol.replies.awaited
    second.protocol.data_received(b"GET /now HTTP/1.1\r\n%b\r\n" % HOST)
    await turns()
    assert second.transport.statuses == [200]
    waiting.may.set()
    await turns()
    assert first.transport.statuses == [200]


class Waits:
    """Waits for nothing but the end of its client."""

    def __init__(self):
        self.leaves = self.go_on = None

    async def __call__(self, scope, receive, send):
        if self.go_on is not None:
            await self.go_on.wait()
        self.leaves = leaving(receive)
        with suppress(asyncio.CancelledError):
            await self.leaves


async def test_a_client_that_leaves_is_noticed_without_a_task_for_it():
    waits = Waits()
    client = Client(waits)
    await client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
    assert len(client.state.tasks) == 1
    assert not isinstance(waits.leaves, asyncio.Task)
    assert not client.protocol.replies.awaited
    assert not waits.leaves.done()
    await client.leave()
    assert waits.leaves.done()
    assert not client.state.tasks


async def test_a_client_that_has_left_before_is_noticed_at_once():
    waits = Waits()
    waits.go_on = asyncio.Event()
    client = Client(waits)
    await client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
    await client.leave()
    waits.go_on.set()
    await turns()
    assert waits.leaves.done()


async def test_an_application_that_fails_costs_its_caller_the_connection(caplog):
    async def fails(_scope, _receive, _send):
        raise KeyError("canary")

    client = Client(fails)
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        await client.send(post(b"one") + post(b"two"))
    assert client.transport.statuses == client.refused == [500]
    assert client.transport.closed
    assert b"canary" not in client.transport.writes[0]
    assert "canary" in caplog.text


async def test_a_header_with_a_line_break_is_never_sent():
    async def splits(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]})
        await send({"type": "http.response.body", "body": b""})

    client = Client(splits)
    await client.send(post(b"one"))
    assert client.transport.statuses == [500]
    assert b"set-cookie" not in client.transport.writes[0]


class Together:
    """Several clients of one server, and the order in which their requests are handled and their replies sent."""

    def __init__(self, *names):
        self.order = []
        self.replies = Replies(asyncio.get_running_loop())
        self.clients = {name: Client(self, shared={REPLIES: self.replies}) for name in names}
        for name, client in self.clients.items():
            client.transport.writes = Writes(name, self.order)

    async def __call__(self, scope, receive, send):
        name = await body_of(read_request(scope), receive)
        self.order.append(f"{name.decode()} handled")
        if name == b"fails":
            raise KeyError
        if name == b"drops":
            self.clients["a"].protocol.drop()
        headers = [(b"content-length", str(len(name)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": name})

    def ask(self, *headers, names=()):
        for name in names or self.clients:
            self.clients[name].protocol.data_received(post(name.encode(), *headers))


class Writes(list):
    def __init__(self, name, order):
        super().__init__()
        self._name, self._order = name, order

    def append(self, data):
        self._order.append(f"{self._name} sent")
        super().append(data)


async def test_replies_to_requests_that_came_together_go_out_together():
    server = Together("a", "b", "c")
    server.ask()
    await turns()
    assert server.order == ["a handled", "b handled", "c handled", "a sent", "b sent", "c sent"]
    assert not server.replies.awaited


async def test_the_reply_to_a_lone_request_goes_out_at_once():
    server = Together("a", "b")
    for name in ("a", "b", "b"):
        server.ask(names=[name])
        await turns()
    assert server.order == ["a handled", "a sent", "b handled", "b sent", "b handled", "b sent"]


async def test_a_connection_that_is_closed_has_been_sent_its_reply_and_those_that_were_held_before_it():
    server = Together("a", "b")
    server.ask(names=["a"])
    server.ask(b"connection: close", names=["b"])
    await turns()
    assert server.order == ["a handled", "b handled", "a sent", "b sent"]
    assert server.clients["b"].transport.closed
    assert not server.clients["a"].transport.closed


async def test_a_connection_that_makes_room_for_others_has_been_sent_its_reply():
    server = Together("a", "drops")
    server.ask()
    await turns()
    assert server.order == ["a handled", "drops handled", "a sent", "drops sent"]
    assert server.clients["a"].transport.closed


async def test_a_client_that_has_left_keeps_no_other_from_its_reply():
    server = Together("a", "b", "fails", "d")
    server.ask()
    await server.clients["b"].leave()
    assert [client.transport.statuses for client in server.clients.values()] == [[200], [], [500], [200]]
    assert not server.replies.awaited


async def test_no_request_is_awaited_any_more_once_its_connection_is_gone():
    server = Together("a", "b", "c")
    for client in server.clients.values():
        client.protocol.data_received(post(b"one") + post(b"two") + post(b"three"))
    server.clients["a"].protocol.data_received(b"no request")
    for client in server.clients.values():
        await client.leave()
    assert not server.replies.awaited


class Loop:
    """The time and the timers of a loop."""

    def __init__(self, loop):
        self._loop = loop
        self.now = 0.0
        self.timers = []

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def time(self):
        return self.now

    def call_later(self, seconds, call):
        self.timers.append([self.now + seconds, call])
        return self.Handle(self.timers, self.timers[-1])

    class Handle:
        def __init__(self, timers, timer):
            self._timers, self._timer = timers, timer

        def cancel(self):
            if self._timer in self._timers:
                self._timers.remove(self._timer)

    def advance(self, seconds):
        until = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer[0] <= until), key=lambda timer: timer[0]):
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = until


class Waiting(Client):
    """A client whose time the test moves."""

    def __init__(self):
        self.loop, self.echo = Loop(asyncio.get_running_loop()), Echo()
        super().__init__(self.echo, self.loop)


async def test_a_connection_on_which_nothing_comes_is_given_up():
    client = Waiting()
    client.loop.advance(connection.HEAD_SECONDS - 0.1)
    assert not client.transport.closed
    client.loop.advance(0.2)
    assert client.refused == [408]


@pytest.mark.parametrize("before", [0, 1])
async def test_a_request_that_a_shutdown_has_crossed_is_answered_and_is_the_last_one(before):
    crossed, resting = Waiting(), Waiting()
    for client in (crossed, resting):
        for _ in range(before):
            await client.send(post(b"one"))
        client.protocol.shutdown()
        client.loop.advance(connection.PARTING_SECONDS - 0.1)
        assert not client.transport.closed
    await crossed.send(post(b"two") + post(b"three"))
    assert crossed.transport.statuses == [200] * (before + 1)
    assert b"connection: close\r\n" in crossed.transport.writes[-1]
    assert crossed.transport.closed
    resting.loop.advance(0.2)
    assert resting.transport.closed
    assert resting.refused == []


async def test_a_head_has_its_time_from_its_first_byte_however_many_follow():
    client = Waiting()
    await client.send(post(b"one"))
    client.loop.advance(4)
    head = post(b"two")
    for n in range(9):
        await client.send(head[n : n + 1])
        client.loop.advance(1)
    assert not client.transport.closed
    client.loop.advance(1)
    assert client.refused == [408]


async def test_a_connection_rests_for_so_long_after_each_reply():
    client = Waiting()
    for _ in range(5):
        await client.send(post(b"one"))
        client.loop.advance(4)
    assert client.transport.statuses == [200] * 5
    assert not client.transport.closed
    assert len(client.loop.timers) == 1
    client.loop.advance(1.1)
    assert client.transport.closed
    assert client.refused == []


async def test_who_is_answered_before_its_body_is_there_has_a_moment_for_the_reply_and_is_then_let_go():
    core, loop = Core(api_keys=(KEY,)), Loop(asyncio.get_running_loop())
    client = Client(core.service, loop)
    head = b"POST /recipe/session HTTP/1.1\r\n" + HOST + b"api-key: " + KEY.encode()
    await client.send(head + b"\r\ncontent-length: 9000000\r\n\r\n", b"{")
    assert client.transport.statuses == [413]
    assert b"connection: close" in client.transport.writes[0]
    await client.send(b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n", b"x" * 100_000)  # all of this would be the body
    assert client.transport.statuses == [413]
    loop.advance(connection.LINGER_SECONDS - 0.1)
    assert not client.transport.closed
    assert client.transport.reads
    loop.advance(0.2)
    assert client.transport.closed
    assert (client.refused, loop.timers) == ([], [])


async def test_no_time_runs_out_while_a_request_is_answered():
    client = Waiting()
    client.echo.may.clear()
    await client.send(post(b"one"))
    client.loop.advance(1000)
    assert not client.transport.closed
    client.echo.may.set()
    await turns()
    client.loop.advance(4.9)
    assert client.transport.statuses == [200]
    assert not client.transport.closed
    client.loop.advance(6)
    assert client.transport.closed


@pytest.mark.parametrize("before", ["a large body", "many small requests"])
async def test_what_came_before_a_head_in_the_same_piece_does_not_count_towards_its_size(before):
    body = b"x" * 40_000
    sent = {
        "a large body": [b"POST / HTTP/1.1\r\n%scontent-length: 40000\r\n\r\n%s" % (HOST, body)],
        "many small requests": [b"GET / HTTP/1.1\r\n%sx-filling: %s\r\n\r\n" % (HOST, b"x" * 500)] * 80,
    }[before]
    client = Client(Echo())
    await client.send(b"".join(sent) + b"GET / HT", b"TP/1.1\r\n" + HOST + b"\r\n")
    for _ in sent:
        await turns()
    assert client.transport.statuses == [200] * (len(sent) + 1)
    await client.leave()
