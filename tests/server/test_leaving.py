"""A process that leaves has answered every call that reached it (reliability: E22)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import ExitStack

import pytest
import uvicorn

from reseal.server.http import connection
from reseal.server.http.messages import send_reply, text_reply
from reseal.server.process import _Server
from tests.server.behind_nginx import leave_behind_nginx
from tests.server.experiments import Report
from tests.support.certificates import Authority

CALLERS = 20
ASKED = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send_reply(send, text_reply(200, "Hello\n"))


def server(**more):
    config = uvicorn.Config(application, http=connection.StrictHttp, log_config=None, lifespan="off", **more)
    config.load()
    made = _Server(config, lambda: None)
    made.lifespan = config.lifespan_class(config)
    return made


@pytest.fixture
async def leaving():
    return server()


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


async def test_who_does_not_finish_a_handshake_does_not_hold_the_end_up(tmp_path, monkeypatch):
    monkeypatch.setattr("reseal.server.http.leaving.HANDSHAKE_SECONDS", 0.5)
    authority = Authority(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    leaving = server(ssl_certfile=certificate, ssl_keyfile=key)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        await leaving.startup(sockets=[listener])
        honest, silent, garbage = (
            stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(3)
        )
        garbage.sendall(ASKED)
        ending = asyncio.create_task(leaving.shutdown(sockets=[listener]))
        context = ssl.create_default_context(cafile=authority.file)
        reader, writer = await asyncio.open_connection(sock=honest, ssl=context, server_hostname="127.0.0.1")
        writer.write(ASKED)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        await ending
        assert silent.recv(1) == b""
        writer.close()


@pytest.mark.own_http
async def test_behind_nginx_one_process_after_the_other_leaves_and_no_call_fails(sharing, rounds, tmp_path):
    report = Report()
    await leave_behind_nginx(sharing, tmp_path, rounds(6, fewest=2), report, pace=0.01)
    assert report.violations == []
