"""Requests in excess are answered at once, and cost those nothing that are worked on (reliability: E24)."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from http.client import HTTPResponse

import pytest

from reseal.server.http.admission import LOG_EVERY, Admission
from tests.server.running import running, until

MOST = 3
POST = b"POST /recipe/session/remove HTTP/1.1\r\nhost: localhost\r\ncdi-version: 5.4\r\n"
BODY = b'{"userId": "u1"}'


class World:
    """An application whose requests wait until they may be answered."""

    def __init__(self, most=MOST):
        self.may, self.reached, self.statuses = asyncio.Event(), 0, []
        self.refused, self.seconds = Counter(), 0.0
        count = lambda status: self.refused.update([status])  # noqa: E731
        self.admission = Admission(self.application, most, count, lambda: self.seconds)
        self.headers = []

    async def application(self, scope, receive, send):
        self.reached += 1
        await self.may.wait()
        if scope["path"] == "/fails":
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, path="/", times=1):
        scope = {"type": "http", "method": "GET", "path": path}
        asked = [asyncio.create_task(self.admission(scope, None, self.send)) for _ in range(times)]
        for _ in range(5):
            await asyncio.sleep(0)
        return asked

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
            self.headers = message["headers"]

    async def answer(self, asked):
        self.may.set()
        done = await asyncio.gather(*asked, return_exceptions=True)
        self.may.clear()
        return done


async def test_requests_in_excess_are_told_to_come_again_and_never_reach_the_service(caplog):
    world = World()
    asked = await world.ask(times=MOST + 7)
    assert (world.statuses, world.reached) == ([503] * 7, MOST)
    assert (b"retry-after", b"1") in world.headers
    assert world.refused == {503: 7}
    await world.ask()
    world.seconds += LOG_EVERY
    await world.ask()
    assert [record.getMessage() for record in caplog.records] == [
        "more than 3 requests at a time: those in excess are answered 503"
    ] * 2
    await world.answer(asked)
    assert world.statuses.count(200) == MOST


async def test_a_place_is_free_again_after_a_request_however_it_ended():
    world = World()
    for path in ("/fails", "/"):
        done = await world.answer(await world.ask(path, times=MOST))
        assert [type(each) for each in done] == [ZeroDivisionError if path == "/fails" else type(None)] * MOST
    [cancelled] = await world.ask()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await world.answer(await world.ask(times=MOST))
    assert world.statuses == [200] * 2 * MOST


@pytest.mark.parametrize("path", ["/healthz", "/auth/readyz", "/metrics", "/reseal/v1/kill_list"])
async def test_probes_are_answered_and_those_who_only_wait_take_no_place(path):
    world = World()
    waiting = await world.ask(path, times=2 * MOST)
    await world.answer(waiting + await world.ask(times=MOST))
    asked = await world.ask(times=MOST)
    await world.answer(asked + await world.ask(path))
    assert set(world.statuses) == {200}


async def test_without_a_limit_nobody_is_refused():
    world = World(most=0)
    await world.answer(await world.ask(times=100))
    assert world.statuses == [200] * 100


def status(connection):
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def test_a_service_with_as_many_requests_as_it_may_have_refuses_the_next_and_stays_ready(tmp_path):
    with running(tmp_path, RESEAL_CONCURRENT_REQUESTS="2", RESEAL_LOG_LEVEL="WARN") as service, ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(2)]
        for connection in slow:
            connection.sendall(POST + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:5])
        whole = stack.enter_context(service.connect())

        def asked(sent):
            whole.sendall(sent)
            return status(whole)

        version = b"GET /apiversion HTTP/1.1\r\nhost: localhost\r\n\r\n"
        until(lambda: asked(version) == 503)
        assert asked(version.replace(b"apiversion", b"readyz")) == 200
        for connection in slow:
            connection.sendall(BODY[5:])
            assert status(connection) == 200
        assert asked(version) == 200  # on the connection that was refused
        assert service.refused(503) >= 1
        assert len(service.lines(event="log", level="WARNING")) == 1
