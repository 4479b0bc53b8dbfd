"""Callers who send much, slowly or nothing at all: limits hold, memory is bounded, others are answered
(security: S79)."""

import asyncio
import re
import resource
import socket
import time
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest

from reseal.server.config import ServiceSettings
from tests.server.browsers import HEADERS, KEY, browsers
from tests.server.running import PATIENCE, running, until

MEMORY = 64 * 1024 * 1024
"""Bytes that the service may take for all of it."""
IDLE = 5_000
SLOW = 50
QUICK = """
import reseal.server.http.connection as connection
connection.HEAD_SECONDS = 1.5
import reseal.server.http.messages as messages
messages.PATIENCE = 1.5
messages.read_body.__kwdefaults__["patience"] = 1.5
"""
"""Ten seconds become one and a half."""
POST = b"POST /recipe/session HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the service inherits it
    with running(tmp_path_factory.mktemp("service"), before=QUICK, RESEAL_LOG_LEVEL="NONE") as service:
        answered_at_once(service)
        yield service
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def answered_at_once(service):
    began = time.monotonic()
    with service.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert status(connection) == 200
    assert time.monotonic() - began < PATIENCE / 2


def status(connection):
    """Read an answer's status; 0 if the connection was closed with what was sent still unread."""
    try:
        return int(connection.recv(65536)[9:12])
    except ConnectionResetError:
        return 0


def is_cut_off(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        return True
    return False


@pytest.mark.own_http
def test_a_body_without_end_is_refused_and_then_cut_off_and_takes_no_memory(service):
    before = service.memory()
    piece = b"%x\r\n%b\r\n" % (65536, b"x" * 65536)
    with service.connect() as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + 20 * piece)
        assert status(connection) == 413
        until(lambda: is_cut_off(connection, piece))
    assert service.memory() - before < MEMORY
    answered_at_once(service)


@pytest.mark.own_http
def test_ten_thousand_headers_are_refused(service):
    with service.connect() as connection:
        is_cut_off(connection, POST + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")
        assert status(connection) in {431, 0}
    answered_at_once(service)


def test_a_body_a_hundred_thousand_levels_deep_is_refused(service):
    body = b'{"userId":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with service.connect() as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        assert status(connection) == 400
    answered_at_once(service)


@pytest.mark.own_http
def test_thousands_of_idle_connections_take_little_memory_and_hold_nobody_up(service):
    count = min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    before = service.memory()
    with ExitStack() as idle:
        for _ in range(count):
            connection = idle.enter_context(service.connect())
            connection.sendall(b"GET /apiversion HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(connection) == 200  # and stays, as the connections of an application do
        answered_at_once(service)
        assert service.memory() - before < MEMORY
        assert re.search(r"^reseal_connections (\d+)$", service.metrics(), re.MULTILINE)[1] == str(count)
    answered_at_once(service)


@pytest.mark.own_http
@pytest.mark.parametrize("part", ["head", "body"])
def test_who_sends_a_byte_at_a_time_is_given_up_and_others_are_answered_meanwhile(service, part):
    body = b'{"userId":"%b"}' % (b"u" * 1000)
    head = POST + b"Content-Length: %d\r\n\r\n" % len(body)
    said, left = (b"", head) if part == "head" else (head, body)
    with ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(SLOW)]
        for connection in slow:
            connection.sendall(said)
        for byte in range(20):
            for connection in slow:
                is_cut_off(connection, left[byte : byte + 1])
            answered_at_once(service)
        assert {status(connection) for connection in slow} <= {408, 0}


def test_hundreds_of_requests_that_are_half_sent_and_then_reset_hold_nobody_up(service):
    waiting = [service.connect() for _ in range(300)]
    for connection in waiting:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{")
    for _ in range(20):
        answered_at_once(service)
    for connection in waiting:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()  # and resets
    answered_at_once(service)


async def test_a_flood_of_bad_keys_and_bad_tokens_from_the_same_address_spoils_no_refresh(tmp_path):
    with running(tmp_path, API_KEYS=KEY, RESEAL_LOG_LEVEL="WARN") as service:
        limits, seen, done = httpx.Limits(max_connections=40), Counter(), asyncio.Event()
        named = {"base_url": service.url, "verify": False, "timeout": PATIENCE, "limits": limits}
        async with httpx.AsyncClient(headers=HEADERS, **named) as ours, httpx.AsyncClient(**named) as theirs:
            users = await browsers(ours, 4)

            async def flood(client):
                bad = {"refreshToken": "x" * 200, "enableAntiCsrf": False, "useDynamicSigningKey": True}
                while not done.is_set():
                    seen[(await client.post("/recipe/session/refresh", json=bad)).status_code] += 1

            async with asyncio.TaskGroup() as group:
                for client in [ours, theirs] * 10:
                    group.create_task(flood(client))
                async with asyncio.timeout(PATIENCE):
                    while not (seen[429] > 20 and seen[200] > 20):
                        await asyncio.gather(*(user.refresh() for user in users))
                done.set()
        assert sum((user.seen for user in users), Counter()).keys() == {"fine"}
        assert seen.keys() == {200, 401, 429}  # a bad token with a good key is answered as always
        assert seen[401] >= ServiceSettings().failures_per_minute
