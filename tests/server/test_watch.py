"""Liveness, readiness, numbers and log lines: honest, cheap, and without anything of a caller's in them."""

import asyncio
import json
import logging
import re
from inspect import getmembers, iscoroutinefunction, signature
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest

from reseal import AsyncMemoryStore, StoreUnavailable
from reseal._async.ports import AsyncStore
from reseal.core.model import Scope
from reseal.server import health, request_log
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.server.metrics import FAMILIES, Metrics, TimedStore
from reseal.server.scoreboard import Scoreboard
from reseal.testing import ManualClock

KEY = "canary-0123456789-abcdef"


class Store(AsyncMemoryStore):
    """A store that can fall silent, or say that it is away."""

    def __init__(self, clock):
        super().__init__(clock)
        self.away = False
        self.silent = None
        self.reads = 0

    async def get(self, scope, handle):
        self.reads += 1
        if self.away:
            raise StoreUnavailable("canary")
        if self.silent is not None:
            await self.silent.wait()
        return await super().get(scope, handle)


@pytest.fixture
def store():
    return Store(ManualClock())


@pytest.fixture
async def service(store):
    service = Service(ServiceSettings(api_keys=KEY), store, on_event=lambda _: None)
    await service.open()
    yield service
    await service.close()


@pytest.fixture
async def client(service):
    transport = httpx.ASGITransport(app=service)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def ask(client, method, path, **named):
    headers = {"api-key": KEY, "cdi-version": "5.4", **named.pop("headers", {})}
    return await client.request(method, path, headers=headers, **named)


async def test_liveness_asks_nobody(client, store):
    store.away = True
    assert (await client.get("/healthz")).text == "OK\n"
    assert (await client.head("/healthz")).status_code == 200
    assert store.reads == 0


async def test_readiness_follows_the_store_and_says_no_more(client, store, monkeypatch):
    monkeypatch.setattr(health, "FRESH_FOR", 0)
    assert (await client.get("/readyz")).status_code == 200
    store.away = True
    refused = await client.get("/readyz")
    assert (refused.status_code, refused.text) == (503, "Not ready\n")
    store.away = False
    assert (await client.get("/readyz")).status_code == 200


async def test_a_silent_store_is_not_waited_for(client, store, monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    store.silent = asyncio.Event()
    answers = await asyncio.gather(*(client.get("/readyz") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {503}
    assert store.reads == 1  # one probe for all of them
    store.silent.set()
    await asyncio.sleep(0)


async def test_many_probes_cost_the_store_one_read(client, store):
    for _ in range(5):
        await client.get("/readyz")
    assert store.reads == 1


async def test_a_process_about_to_leave_is_not_ready(client, service):
    service.health.draining = True
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/healthz")).headers["connection"] == "close"


async def test_the_numbers_are_behind_the_key(client):
    assert (await client.get("/metrics")).status_code == 401
    shown = await ask(client, "GET", "/metrics")
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_requests_refreshes_and_failures_are_counted(client, store):
    body = {"userId": "canary", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
    begun = await ask(client, "POST", "/recipe/session", json=body | {"useDynamicSigningKey": True})
    token = begun.json()["refreshToken"]["token"]
    change = {"refreshToken": token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
    for _ in range(2):
        await ask(client, "POST", "/recipe/session/refresh", json=change)
    await ask(client, "GET", "/canary/canary?x=canary")
    store.away = True
    assert (await ask(client, "POST", "/recipe/session/refresh", json=change)).status_code == 503
    numbers = (await ask(client, "GET", "/metrics")).text
    assert 'operation="create",status="200"} 1' in numbers
    assert 'operation="refresh",status="200"} 2' in numbers
    assert 'operation="none",status="404"} 1' in numbers
    assert 'outcome="ok",subtype=""} 1' in numbers
    assert 'outcome="replayed",subtype="race"} 1' in numbers
    assert "reseal_unavailable_total 1\n" in numbers
    assert "canary" not in numbers
    for line in numbers.splitlines():
        assert line.startswith("# ") or re.fullmatch(
            r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+(e-?[0-9]+)?', line
        )


@pytest.mark.parametrize(("sent", "kept"), [("mine-1", True), ("a b", False), ("x" * 129, False), ('"}{', False)])
async def test_a_harmless_correlation_id_is_kept_and_any_other_replaced(client, sent, kept):
    answer = await client.get("/hello", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept
    assert answer.headers["x-request-id"]


async def test_a_request_is_one_line_without_anything_of_the_callers(client, caplog):
    with caplog.at_level(logging.INFO, "reseal"):
        await ask(client, "GET", "/recipe/session/user?userId=canary", headers={"x-request-id": "mine-1"})
    [record] = [record for record in caplog.records if '"request"' in record.getMessage()]
    line = json.loads(request_log.JsonLines().format(record))
    assert (line["operation"], line["status"], line["correlation_id"]) == ("list_user", 200, "mine-1")
    assert "canary" not in record.getMessage()


def test_any_other_record_becomes_a_line_too():
    try:
        int("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("reseal", logging.ERROR, "", 0, "a\nb %s", ("c",), (type(error), error, None))
    text = request_log.JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "a\nb c"


async def test_every_call_of_the_store_is_timed_whichever_the_port_has():
    metrics, inner = Metrics(), AsyncMock(AsyncStore)
    store = TimedStore(inner, metrics)
    calls = [name for name, call in getmembers(AsyncStore, iscoroutinefunction) if name not in {"open", "close"}]
    for name in calls:
        await getattr(store, name)(
            *(MagicMock() for each in signature(getattr(AsyncStore, name)).parameters if each != "self")
        )
        getattr(inner, name).assert_awaited_once()
    counted = metrics.samples()["reseal_store_seconds_count"]
    assert counted == {f'{{operation="{name}"}}': 1 for name in calls}
    assert {"claim", "get_many", "rotate"} <= set(calls)


async def test_a_call_that_failed_is_timed_too(store):
    metrics, store.away = Metrics(), True
    with pytest.raises(StoreUnavailable):
        await TimedStore(store, metrics).get(Scope(), "handle")
    numbers = metrics.samples()
    assert numbers["reseal_store_seconds_count"] == {'{operation="get"}': 1}
    assert numbers["reseal_store_errors_total"] == {'{operation="get",kind="unavailable"}': 1}


async def test_the_numbers_of_several_workers_are_added_up_and_outlive_them(tmp_path):
    def counting(times):
        board = Scoreboard(tmp_path)
        metrics = Metrics(board.found())
        for _ in range(times):
            metrics.count_request("hello", 200)
            metrics.note_store("get", 0.003)
        return board, metrics

    async def shown(board, metrics):
        found = FAMILIES.text_of(await board.total(metrics))
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in found.splitlines() if line[0] != "#"
        }

    hellos = 'reseal_requests_total{operation="hello",status="200"}'
    (one, its), (two, others) = counting(2), counting(3)
    await one.write(its)
    assert (await shown(two, others))[hellos] == 5
    numbers = await shown(one, its)
    assert numbers[hellos] == numbers['reseal_store_seconds_count{operation="get"}'] == 5
    assert numbers['reseal_store_seconds_bucket{operation="get",le="0.005"}'] == 5
    assert numbers['reseal_store_seconds_bucket{operation="get",le="0.002"}'] == 0
    assert numbers['reseal_store_seconds_sum{operation="get"}'] == pytest.approx(0.015)
    two.close()  # it died
    assert (await shown(one, its))[hellos] == 5
    third, more = counting(1)
    assert (await shown(third, more))[hellos] == (await shown(one, its))[hellos] == 6
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["0.json", "1.json"]
    one.close()
    third.close()
