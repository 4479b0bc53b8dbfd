"""The trace of a request is kept with its event, and the span of a delivery links to it."""

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from reseal import AsyncReseal, Reseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._sync.engine import Engine
from reseal._sync.stores.memory import MemoryStore
from reseal.otel import AsyncOpenTelemetry, OpenTelemetry
from reseal.server.config import ServiceSettings
from reseal.server.tracing import TracedService
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import DAY
from reseal.webhooks.answers import Answer
from tests.telemetry.test_otel import Collected
from tests.webhooks.material import DOWN, Receiver, worker

KEY = "a-key-of-twenty-characters"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def settings():
    return Settings(api_domain="https://api.example.com", event_outbox="all")


@pytest.fixture
async def reseal(settings, clock):
    engine = AsyncEngine(settings, AsyncMemoryStore(clock), clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        yield reseal


def written(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


async def test_each_event_has_the_trace_of_its_request(reseal, collected):
    backend = reseal.backend
    pair = await backend.create("before")
    telemetry = AsyncOpenTelemetry(reseal, **collected.providers)
    pair = await backend.create("user")
    pair = await backend.refresh(pair.refresh_token)
    pair = await backend.elevate(pair.claims, {}, 60_000)
    await backend.revoke((pair.claims.sid,))
    events = (await backend.read_events("test", 10)).events
    assert [event.traceparent for event in events] == [None, *map(written, collected.spans())]
    assert [span.name for span in collected.spans()] == [
        "reseal.create",
        "reseal.refresh",
        "reseal.elevate",
        "reseal.revoke",
    ]
    assert telemetry.metrics.counted()["reseal_sessions_created_total"] == {"": 1}


async def test_without_a_tracer_there_is_no_trace(reseal):
    AsyncOpenTelemetry(reseal)
    await reseal.backend.create("user")
    [event] = (await reseal.backend.read_events("test", 10)).events
    assert event.traceparent is None


def test_sync_code_keeps_the_trace(settings, clock, collected):
    engine = Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder())
    with Reseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        OpenTelemetry(reseal, **collected.providers)
        engine.create("user")
        [event] = engine.read_events("test", 10).events
    assert event.traceparent == written(collected.last())


async def test_a_delivery_links_to_the_request_and_is_not_its_child(reseal, collected):
    telemetry, receiver = AsyncOpenTelemetry(reseal, **collected.providers), Receiver()
    receiver.answer = lambda _: Answer(503) if len(receiver.attempts) == 1 else Answer(204)
    await reseal.backend.create("user")
    request = collected.last()
    deliverer = worker(reseal.backend.store, receiver, attempted=telemetry.note_attempt)
    await deliverer.turn()
    reseal.backend.store._clock.advance(DAY)
    await deliverer.turn()
    first, second = collected.spans()[1:]
    for span in (first, second):
        [link] = span.links
        assert (link.context.trace_id, link.context.span_id) == (request.context.trace_id, request.context.span_id)
        assert span.parent is None
        assert span.context.trace_id != request.context.trace_id
        assert (span.name, span.kind) == ("reseal.deliver", SpanKind.CLIENT)
        assert span.status.status_code is StatusCode.UNSET
        assert span.start_time <= span.end_time
    assert dict(first.attributes) == {
        "reseal.channel": "webhook:crm",
        "reseal.outcome": "failed",
        "http.response.status_code": 503,
    }
    assert second.attributes["reseal.outcome"] == "ok"
    sent = repr(receiver.headers) + repr(receiver.bodies)
    assert "traceparent" not in sent
    assert f"{request.context.trace_id:032x}" not in sent
    points = collected.metrics()["reseal.delivery.attempts"].data.data_points
    assert {point.attributes["reseal.outcome"]: point.value for point in points} == {"failed": 1, "ok": 1}


async def test_only_an_attempt_after_which_nothing_follows_is_an_error(reseal, collected):
    telemetry, receiver = AsyncOpenTelemetry(reseal, **collected.providers), Receiver()
    receiver.answer = lambda _: DOWN
    await reseal.backend.create("user")
    deliverer = worker(reseal.backend.store, receiver, attempted=telemetry.note_attempt)
    for _ in range(10):
        await deliverer.turn()
        reseal.backend.store._clock.advance(DAY)
    spans = collected.spans()[1:]
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET] * 9 + [StatusCode.ERROR]
    assert spans[-1].attributes["error.type"] == "unreachable"
    assert all("error.type" not in span.attributes for span in spans[:-1])


@pytest.mark.parametrize("traced", [True, False])
async def test_the_service_keeps_the_trace_of_its_caller(settings, clock, collected, traced):
    own = ServiceSettings(database_uri="memory:", api_keys=(KEY,), event_outbox="all")
    service, inside = TracedService(own, AsyncMemoryStore(clock), clock=clock, on_event=Recorder()), Collected()
    service.tracer_provider = inside.tracers
    transport, receiver = httpx.ASGITransport(service), Receiver()
    remote = AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=transport)
    async with AsyncReseal(settings, sessions=remote, clock=clock, on_event=Recorder()) as reseal:
        if traced:
            AsyncOpenTelemetry(reseal, **collected.providers)
        await remote.create("user")
    await worker(service.store, receiver, attempted=service.note_attempt).turn()
    delivery = inside.last()
    assert delivery.name == "reseal.deliver"
    caller = [span.context.span_id for span in collected.spans()]
    assert [link.context.span_id for link in delivery.links] == caller
    assert len(caller) == traced
    assert 'reseal_delivery_attempts_total{channel="webhook:crm",outcome="ok"} 1' in await service.numbers()


@pytest.mark.parametrize("sent", ["", "00-zz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5000])
async def test_a_trace_that_is_none_is_not_kept(clock, sent):
    own = ServiceSettings(database_uri="memory:", api_keys=(KEY,), event_outbox="all")
    service = TracedService(own, AsyncMemoryStore(clock), clock=clock, on_event=Recorder())
    service.tracer_provider = Collected().tracers
    body = {"userId": "user", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="https://core.test") as client:
        headers = {"api-key": KEY, "traceparent": sent, "cdi-version": "5.1"}
        answer = await client.post("/recipe/session", json=body, headers=headers)
    assert answer.status_code == 200
    [event] = (await service.store.read_events("test", 10)).events
    assert event.traceparent is None
