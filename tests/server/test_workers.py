"""Several workers over one store, and several processes behind a proxy, that come and go under load (security: S100)."""

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.server.browsers import HEADERS, KEY, browsers
from tests.server.running import LOOPS, PATIENCE, Running, running, until
from tests.support.ports import free_port
from tests.support.proxies import haproxy

ROUNDS = {"uvloop": 2, "asyncio": 1}
PATIENT = "import reseal.server.health as health; health.PATIENCE = 60\n"
"""Ready as long as the database answers at all: of a busy machine both would say at times that they are not."""
DRAINED = 30
"""Seconds in which a process that was told to leave is gone."""


def variables(uri, **more):
    return {"RESEAL_DATABASE_URI": uri, "API_KEYS": KEY, "RESEAL_LOG_LEVEL": "WARN"} | more


def lives(pid):
    return Path(f"/proc/{pid}").exists()


async def workers_seen(service):
    """Wait until there are two workers."""
    await asyncio.to_thread(until, lambda: len(service.workers()) == 2)
    return service.workers()


async def test_two_workers_share_one_store_a_killed_one_is_replaced_and_both_leave_when_told(postgres_uri, tmp_path):
    with running(tmp_path, **variables(postgres_uri, RESEAL_WORKERS="2", RESEAL_SHUTDOWN_DELAY="0")) as service:
        first = await workers_seen(service)
        assert service.pid not in first
        async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, verify=False, timeout=PATIENCE) as client:
            users = await browsers(client, 4)
            for _ in range(5):
                await asyncio.gather(*(user.refresh() for user in users))
        assert sum((user.seen for user in users), Counter()) == {"fine": 20}
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: not lives(killed))
        second = await workers_seen(service)
        assert killed not in second
        assert first - {killed} <= second
        service.tell()
        assert await asyncio.to_thread(service.ended) == 0
        assert not [pid for pid in second if lives(pid)]


async def test_whichever_worker_is_asked_answers_for_all_and_no_counter_falls_when_one_dies(postgres_uri, tmp_path):
    def hellos():
        return {service.handled().get("hello", 0) for _ in range(10)}  # on connections of their own

    async def say_hello(times):
        for _ in range(times):
            async with httpx.AsyncClient(base_url=service.url, verify=False) as client:
                assert (await client.get("/hello")).status_code == 200

    with running(tmp_path, **variables(postgres_uri, RESEAL_WORKERS="2", RESEAL_SHUTDOWN_DELAY="0")) as service:
        await say_hello(20)
        await asyncio.to_thread(until, lambda: hellos() == {20})
        first = service.workers()
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: not lives(killed) and len(service.workers()) == 2)
        await asyncio.to_thread(until, lambda: hellos() == {20})
        await say_hello(10)
        await asyncio.to_thread(until, lambda: hellos() == {30})


async def test_workers_leave_when_the_process_that_looks_after_them_was_killed(postgres_uri, tmp_path):
    with running(tmp_path, **variables(postgres_uri, RESEAL_WORKERS="2", RESEAL_SHUTDOWN_DELAY="0")) as service:
        workers = await workers_seen(service)
        service.tell(signal.SIGKILL)
        await asyncio.to_thread(until, lambda: not any(lives(pid) for pid in workers))
        with pytest.raises(ConnectionRefusedError):
            service.connect()
        assert service.log().count("the worker exits") == len(workers)


@pytest.mark.parametrize("loop", ROUNDS)
async def test_of_two_processes_behind_a_proxy_one_after_the_other_leaves_and_nobody_notices(
    loop, postgres_uri, tmp_path
):
    ports = [free_port(), free_port()]

    def started(n):
        more = {"RESEAL_PORT": str(ports[n]), "RESEAL_SHUTDOWN_DELAY": "3"}
        before = LOOPS[loop] + PATIENT
        return Running(tmp_path, name=f"service-{n}", before=before, **variables(postgres_uri, **more))

    with ExitStack() as stack:
        services = [started(0), started(1)]
        for n in range(2):
            stack.callback(lambda n=n: services[n].kill())
            await asyncio.to_thread(services[n].wait)
        port = stack.enter_context(haproxy(tmp_path, *ports, client_seconds=30))
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=HEADERS, verify=False, timeout=PATIENCE) as client:
            users, done = await browsers(client, 8), asyncio.Event()

            def total():
                return sum((user.seen for user in users), Counter())

            async def browse(user):
                while not done.is_set():
                    await user.refresh()
                    await asyncio.sleep(0.01)

            async def more(count):
                wanted = total()["fine"] + count
                await asyncio.to_thread(until, lambda: total()["fine"] >= wanted)

            async with asyncio.TaskGroup() as group:
                for user in users:
                    group.create_task(browse(user))
                for n in [0, 1] * ROUNDS[loop]:
                    await more(50)
                    began = time.monotonic()
                    services[n].tell()
                    async with httpx.AsyncClient(base_url=services[n].url, verify=False) as probe:
                        assert (await probe.get("/readyz")).status_code == 503, "it says so before it leaves"
                    assert await asyncio.to_thread(services[n].ended) == 0
                    assert time.monotonic() - began < DRAINED
                    await more(20)
                    services[n].kill()
                    services[n] = started(n)
                    await asyncio.to_thread(services[n].wait)
                    # until the proxy sends requests there again
                    await asyncio.to_thread(until, lambda n=n: services[n].handled().get("refresh", 0) > 0)
                done.set()
        assert set(total()) == {"fine"}, total()
