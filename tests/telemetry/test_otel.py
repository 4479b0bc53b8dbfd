"""Spans and metrics for OpenTelemetry, as its own SDK collects them: outcomes, failures, and nothing personal."""

import subprocess
import sys

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from reseal import AsyncReseal, Reseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._sync.engine import Engine
from reseal._sync.stores.memory import MemoryStore
from reseal.core.errors import ConfigurationError, InvalidInput, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.fastapi import Reseal as FastApiReseal
from reseal.metrics import instruments
from reseal.otel import AsyncOpenTelemetry, OpenTelemetry
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.server.process import Application
from reseal.server.tracing import TracedService
from reseal.telemetry import AsyncMetrics
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from tests.telemetry.test_week import LABELS, NAMES
from tests.telemetry.week import SETTINGS, THIEF, Week

API = "https://api.example.com"
KEY = "a-key-of-twenty-characters"


class Collected:
    """What the SDK would export."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    @property
    def providers(self):
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    def spans(self):
        return list(self.exporter.get_finished_spans())

    def last(self):
        return self.spans()[-1]

    def metrics(self):
        data = self.reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def everything(self):
        shown = [span.to_json() for span in self.spans()]
        return "".join(shown) + repr(self.reader.get_metrics_data())


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings():
    return Settings(api_domain=API, **SETTINGS)


@pytest.fixture
def store(clock):
    return AsyncFaultyStore(AsyncMemoryStore(clock))


@pytest.fixture
async def reseal(settings, store, clock):
    engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        yield reseal


@pytest.fixture
def traced(reseal, collected):
    AsyncOpenTelemetry(reseal, **collected.providers)
    return reseal.backend


async def test_create_refresh_and_revoke_are_internal_spans(traced, collected):
    pair = await traced.create("user")
    await traced.refresh(pair.refresh_token)
    await traced.revoke((pair.claims.sid,))
    await traced.revoke_user("user")
    spans = collected.spans()
    assert [span.name for span in spans] == ["reseal.create", "reseal.refresh", "reseal.revoke", "reseal.revoke"]
    assert {span.kind for span in spans} == {SpanKind.INTERNAL}
    assert {span.attributes["reseal.outcome"] for span in spans} == {"ok"}
    assert {span.instrumentation_scope.name for span in spans} == {"reseal"}


async def test_replays_thefts_and_refusals_are_outcomes_and_no_errors(traced, collected, clock):
    pair = await traced.create("user")
    newer = await traced.refresh(pair.refresh_token)
    await traced.refresh(pair.refresh_token)
    replayed = collected.last()
    await traced.refresh(newer.refresh_token)
    clock.advance(120_000)
    with pytest.raises(TokenTheftDetected):
        await traced.refresh(pair.refresh_token, caller=THIEF)
    theft = collected.last()
    with pytest.raises(Unauthorised):
        await traced.refresh(newer.refresh_token)
    refused = collected.last()
    with pytest.raises(InvalidInput):
        await traced.create("")
    invalid = collected.last()
    assert dict(replayed.attributes) == {"reseal.outcome": "replayed", "reseal.reason": "race"}
    assert dict(theft.attributes) == {"reseal.outcome": "theft", "reseal.reason": "older"}
    assert dict(refused.attributes) == {"reseal.outcome": "refused", "reseal.reason": "theft"}
    assert dict(invalid.attributes) == {"reseal.outcome": "invalid"}
    assert {span.status.status_code for span in collected.spans()} == {StatusCode.UNSET}
    assert [span.events for span in collected.spans() if span.events] == []


async def test_a_store_that_does_not_answer_is_an_error(traced, store, collected):
    pair = await traced.create("user")
    store.refuse("rotate")
    with pytest.raises(StoreUnavailable):
        await traced.refresh(pair.refresh_token)
    failed = collected.last()
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "StoreUnavailable"
    assert failed.status.description is None
    await traced.refresh(pair.refresh_token)
    assert "error.type" not in collected.last().attributes
    [with_error, fine] = sorted(
        collected.metrics()["reseal.refresh.duration"].data.data_points, key=lambda p: len(p.attributes), reverse=True
    )
    assert dict(with_error.attributes) == {"reseal.outcome": "error", "error.type": "StoreUnavailable"}
    assert dict(fine.attributes) == {"reseal.outcome": "ok"}


async def test_the_instruments_equal_what_a_simulated_week_did_and_show_nobody(traced, collected, clock):
    week = Week(traced, clock, seed=4)
    await week.play()
    found = {}
    named = {
        "created": "reseal.sessions.created",
        "ended": "reseal.sessions.ended",
        "refresh": "reseal.session.refreshes",
        "refused": "reseal.refresh.refused",
        "spurious": "reseal.logouts.spurious_estimate",
    }
    assert named.keys() == NAMES.keys()
    metrics = collected.metrics()
    for word, name in named.items():
        for point in metrics[name].data.data_points:
            labels = tuple(point.attributes.get(f"reseal.{label}", "") for label in LABELS[word])
            if point.value:
                found[word, *labels] = point.value
    assert found == {what: count for what, count in week.account.items() if count}
    assert metrics["reseal.sessions.created"].unit == "{session}"
    assert metrics["reseal.refresh.duration"].unit == "s"
    everything = collected.everything()
    assert [secret for secret in week.secrets if secret in everything] == []
    assert {key for span in collected.spans() for key in span.attributes} == {"reseal.outcome", "reseal.reason"}


async def test_gauges_are_those_of_the_last_sample(reseal, collected, clock):
    counts = AsyncMetrics(reseal, consumers=("mail",), clock=clock)
    AsyncOpenTelemetry(reseal, counts=counts, **collected.providers)
    await reseal.backend.create("user")
    assert collected.metrics().keys().isdisjoint(instruments.GAUGES)
    await counts.samples()
    metrics = collected.metrics()
    assert [point.value for point in metrics["reseal.session.count"].data.data_points] == [1]
    [lag] = metrics["reseal.delivery.lag"].data.data_points
    assert (dict(lag.attributes), lag.value) == ({"reseal.channel": "mail"}, 0)
    assert metrics["reseal.delivery.lag"].unit == "s"


async def test_a_pseudonym_is_told_only_if_the_application_gives_one(reseal, collected):
    AsyncOpenTelemetry(reseal, pseudonym=lambda user_id: f"p{len(user_id)}", **collected.providers)
    pair = await reseal.backend.create("canary")
    await reseal.backend.refresh(pair.refresh_token)
    await reseal.backend.revoke((pair.claims.sid,))
    await reseal.backend.revoke_user("canary")
    assert [span.attributes.get("enduser.pseudo.id") for span in collected.spans()] == ["p6", "p6", None, "p6"]
    assert "canary" not in collected.everything()


def test_sync_code(settings, clock, collected):
    engine = Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder())
    with Reseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        OpenTelemetry(reseal, **collected.providers)
        pair = engine.create("user")
        engine.refresh(pair.refresh_token)
        engine.refresh(pair.refresh_token)
    assert [span.attributes["reseal.outcome"] for span in collected.spans()] == ["ok", "ok", "replayed"]


async def test_a_call_to_the_service_carries_the_trace(settings, clock, collected):
    service = Service(
        ServiceSettings(database_uri="memory:", api_keys=(KEY,)),
        AsyncMemoryStore(clock),
        clock=clock,
        on_event=Recorder(),
    )
    sent = []

    async def note(request):
        sent.append(request.headers)

    inner = httpx.ASGITransport(service)

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await note(request)
            return await inner.handle_async_request(request)

    remote = AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=Transport())
    async with AsyncReseal(settings, sessions=remote, clock=clock, on_event=Recorder()) as reseal:
        await remote.create("user")
        assert "traceparent" not in sent[-1]
        AsyncOpenTelemetry(reseal, **collected.providers)
        pair = await remote.create("user")
        [span] = collected.spans()
        got = trace.get_current_span(propagate.extract(sent[-1])).get_span_context()
        assert (got.trace_id, got.span_id) == (span.context.trace_id, span.context.span_id)
        with pytest.raises(Unauthorised):
            await remote.refresh("x" + pair.refresh_token)
        assert collected.last().attributes["reseal.outcome"] == "refused"


async def test_the_service_continues_the_trace_of_its_caller(settings, clock, collected):
    service = TracedService(
        ServiceSettings(database_uri="memory:", api_keys=(KEY,)),
        AsyncMemoryStore(clock),
        clock=clock,
        on_event=Recorder(),
    )
    inside = Collected()
    service.tracer_provider = inside.tracers
    transport = httpx.ASGITransport(service)
    remote = AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=transport)
    async with AsyncReseal(settings, sessions=remote, clock=clock, on_event=Recorder()) as reseal:
        AsyncOpenTelemetry(reseal, **collected.providers)
        pair = await remote.create("canary")
        for _ in range(2):
            await remote.refresh(pair.refresh_token)
        await remote.check(pair.claims)
        await remote.revoke((pair.claims.sid,))
        with pytest.raises(Unauthorised):
            await remote.refresh(pair.refresh_token)
    spans = inside.spans()
    assert [(span.name, span.attributes["reseal.outcome"]) for span in spans] == [
        ("reseal.create", "ok"),
        ("reseal.refresh", "ok"),
        ("reseal.refresh", "replayed"),
        ("reseal.revoke", "ok"),
        ("reseal.refresh", "refused"),
    ]
    assert [span.parent.span_id for span in spans] == [span.context.span_id for span in collected.spans()]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}
    assert "canary" not in inside.everything()


def test_nothing_is_imported_unless_it_is_used():
    program = (
        "import sys, reseal, reseal.telemetry, reseal.server.app;"
        "reseal.Reseal, reseal.AsyncReseal;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(("wanted", "kind"), [(True, TracedService), (False, Service)])
def test_the_service_is_traced_if_it_is_configured(wanted, kind):
    settings = ServiceSettings(database_uri="memory:", api_keys=(KEY,), opentelemetry=wanted)
    assert type(Application(settings).service) is kind


def test_a_missing_package_is_a_problem_of_the_configuration(monkeypatch):
    monkeypatch.setitem(sys.modules, "reseal.server.tracing", None)
    with pytest.raises(ConfigurationError, match="opentelemetry-api"):
        Application(ServiceSettings(database_uri="memory:", api_keys=(KEY,), opentelemetry=True))


async def test_the_spans_of_fastapi_name_our_routes():
    collected = Collected()
    app = FastAPI(telemetry={"tracer_provider": collected.tracers})
    reseal = FastApiReseal(Settings(api_domain=API, database_uri="memory:"))
    reseal.install(app)
    async with reseal.sessions, httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=API) as client:
        await client.post("/session/refresh")
    assert [span.name for span in collected.spans() if span.kind is SpanKind.SERVER] == ["POST /session/refresh"]
