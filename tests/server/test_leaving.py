"""A process that leaves has answered every call that reached it (reliability: E22)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest
import uvicorn

from reseal.server.http import connection
from reseal.server.http.messages import send_reply, text_reply
from reseal.server.process import _Server
from tests.server.behind_nginx import leave_behind_nginx
from tests.server.experiments import Report

CALLERS = 20
ASKED = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send_reply(send, text_reply(200, "Hello\n"))


@pytest.fixture
async def leaving():
    config = uvicorn.Config(application, http=connection.StrictHttp, log_config=None, lifespan="off")
    config.load()
    server = _Server(config, lambda: None)
    server.lifespan = config.lifespan_class(config)
    return server


async def test_who_had_connected_before_the_port_was_closed_is_answered(leaving):
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        await leaving.startup(sockets=[listener])
        address = listener.getsockname()
        # nothing is awaited in between, so the loop has accepted none of these
        callers = [stack.enter_context(socket.create_connection(address)) for _ in range(CALLERS)]
        callers[0].sendall(ASKED)
        ending = asyncio.create_task(leaving.shutdown(sockets=[listener]))
        while listener.fileno() >= 0:  # noqa: ASYNC110 - looking costs nothing
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        for caller in callers[1:]:
            caller.sendall(ASKED)
        await ending
        for caller in callers:
            caller.settimeout(10)
            answer = b"".join(iter(lambda caller=caller: caller.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.own_http
async def test_behind_nginx_one_process_after_the_other_leaves_and_no_call_fails(sharing, rounds, tmp_path):
    report = Report()
    await leave_behind_nginx(sharing, tmp_path, rounds(6, fewest=2), report, pace=0.01)
    assert report.violations == []
