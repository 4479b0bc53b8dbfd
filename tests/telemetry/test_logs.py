"""Events as log records, as OpenTelemetry's own SDK collects them: named, in their span, and nothing personal."""

import json

import httpx
import pytest
from opentelemetry import _logs
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from reseal import AsyncReseal, Reseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._sync.engine import Engine
from reseal._sync.stores.memory import MemoryStore
from reseal.core.errors import ConfigurationError, TokenTheftDetected
from reseal.core.events import Caller, Event, EventName
from reseal.core.model import Device, Scope
from reseal.metrics.log_records import EventLog
from reseal.otel import AsyncOpenTelemetry, OpenTelemetry
from reseal.server.config import ServiceSettings
from reseal.server.tracing import TracedService
from reseal.testing import ManualClock, Recorder
from tests.telemetry.test_otel import Collected
from tests.telemetry.week import SETTINGS, THIEF, Week

KEY = "a-key-of-twenty-characters"
SECRET = "a secret of more than thirty-two bytes"
CALLER = Caller(Device("192.0.2.99", "canary-agent"), "canary-request")


class Logged(Collected):
    """What the SDK would export, log records too."""

    def __init__(self):
        super().__init__()
        self.logs = InMemoryLogRecordExporter()
        self.loggers = LoggerProvider()
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))

    @property
    def providers(self):
        return super().providers | {"logger_provider": self.loggers}

    def records(self):
        return [each.log_record for each in self.logs.get_finished_logs()]

    def names(self):
        return [record.event_name for record in self.records()]

    def text(self):
        return "".join(each.to_json() for each in self.logs.get_finished_logs())


@pytest.fixture
def logged():
    return Logged()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings():
    return Settings(api_domain="https://api.example.com", **SETTINGS)


@pytest.fixture
async def reseal(settings, clock):
    engine = AsyncEngine(settings, AsyncMemoryStore(clock), clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        yield reseal


def event(name=EventName.SESSION_CREATED, **named):
    given = {"at": 1_700_000_000_123, "scope": Scope(), "session_handle": "canary-handle", "user_id": "canary"}
    return Event(name=name, **(given | {"device": CALLER.device, "correlation_id": CALLER.correlation_id} | named))


def emitted(logged, *events, key=b"k", **how):
    log = EventLog(key, provider=logged.loggers, **how)
    for each in events:
        log.emit(each)
    return logged.records()


async def test_each_event_is_a_record_within_the_span_of_its_request(reseal, logged, clock):
    AsyncOpenTelemetry(reseal, logs=True, **logged.providers)
    pair = await reseal.backend.create("canary", caller=CALLER)
    newer = await reseal.backend.refresh(pair.refresh_token)
    await reseal.backend.refresh(newer.refresh_token)
    with pytest.raises(TokenTheftDetected):
        await reseal.backend.refresh(pair.refresh_token, caller=THIEF)
    names = ["session_created", "session_refreshed", "session_refreshed", "token_theft"]
    records = logged.records()
    assert [record.event_name for record in records][:4] == [f"reseal.{name}" for name in names]
    spans = [span.context for span in logged.spans()]
    assert [(each.trace_id, each.span_id) for each in records[:4]] == [(one.trace_id, one.span_id) for one in spans]
    theft = records[3]
    assert (theft.severity_number, theft.severity_text) == (SeverityNumber.ERROR, "ERROR")
    assert theft.body == "token_theft: older"
    assert theft.timestamp == clock.wall() * 1_000_000
    assert dict(theft.attributes) == {
        "reseal.app": "public",
        "reseal.tenant": "public",
        "reseal.reason": "older",
        "reseal.session.ref": records[0].attributes["reseal.session.ref"],
    }
    assert records[0].severity_number is SeverityNumber.INFO


async def test_without_logs_there_is_no_record(reseal, logged):
    AsyncOpenTelemetry(reseal, **logged.providers)
    await reseal.backend.create("canary")
    assert logged.records() == []


async def test_a_simulated_week_says_nothing_of_anybody_and_is_complete(reseal, logged, clock):
    AsyncOpenTelemetry(reseal, logs=True, **logged.providers)
    week = Week(reseal.backend, clock, seed=5)
    await week.play()
    text = logged.text()
    assert [secret for secret in week.secrets if secret in text] == []
    counted = {"reseal.session_created": week.account["created",]}
    for event_name, outcome in (
        ("session_refreshed", "ok"),
        ("session_replayed", "replayed"),
        ("token_theft", "theft"),
    ):
        of_outcome = [
            count for (word, *rest), count in week.account.items() if (word, *rest[:1]) == ("refresh", outcome)
        ]
        counted[f"reseal.{event_name}"] = sum(of_outcome)
    assert {name: logged.names().count(name) for name in counted} == counted


def test_sync_code(settings, clock, logged):
    engine = Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder())
    with Reseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        OpenTelemetry(reseal, logs=True, **logged.providers)
        engine.create("canary")
    assert logged.names() == ["reseal.session_created"]


def test_what_a_client_or_an_operator_wrote_is_left_out(logged):
    other = Device("192.0.2.98", "canary-other")
    emitted(logged, event(other_device=other, note="canary-note", by="operator:canary"), event(by="user:canary"))
    assert "canary" not in logged.text()
    assert "192.0.2" not in logged.text()
    assert [record.attributes["reseal.by"] for record in logged.records()] == ["operator", "user"]


def test_the_name_of_an_api_key_stays(logged):
    records = emitted(logged, event(by="api_key:billing"), event(by="billing"))
    assert [record.attributes["reseal.by"] for record in records] == ["api_key:billing", "billing"]


def test_an_application_may_ask_for_personal_data(logged):
    [record] = emitted(logged, event(note="why", by="operator:alice", other_device=Device("::1")), personal=True)
    assert dict(record.attributes) == {
        "reseal.app": "public",
        "reseal.tenant": "public",
        "reseal.session.ref": record.attributes["reseal.session.ref"],
        "reseal.by": "operator:alice",
        "reseal.note": "why",
        "enduser.id": "canary",
        "client.address": "192.0.2.99",
        "user_agent.original": "canary-agent",
        "reseal.other_client.address": "::1",
        "reseal.session.handle": "canary-handle",
        "reseal.correlation_id": "canary-request",
    }


def test_a_pseudonym_is_told_only_if_the_application_gives_one(logged):
    [first] = emitted(logged, event())
    assert "enduser.pseudo.id" not in first.attributes
    second = emitted(logged, event(), event(user_id=None), pseudonym=lambda user_id: f"p{len(user_id)}")[1:]
    assert [record.attributes.get("enduser.pseudo.id") for record in second] == ["p6", None]


def test_the_reference_of_a_session_depends_on_the_key_the_app_and_the_session():
    def reference(key=b"k", **named):
        [record] = emitted(Logged(), event(**named), key=key)
        return record.attributes["reseal.session.ref"]

    here = reference()
    assert here == reference() == reference(scope=Scope("public", "t2"))
    others = [
        reference(scope=Scope("other", "public")),
        reference(session_handle="h2"),
        reference(key=b"another"),
        reference(key=None),
        reference(key=None),
    ]
    assert len({here, *others}) == 6
    assert all(len(each) == 32 for each in (here, *others))


def test_what_needs_a_look_is_a_warning(logged):
    names = [EventName.STORE_UNAVAILABLE, EventName.SESSION_IN_STEP, EventName.REFRESH_REFUSED]
    records = emitted(logged, *(event(name) for name in names))
    assert [record.severity_text for record in records] == ["WARN", "WARN", "INFO"]


def test_half_a_surrogate_pair_reaches_no_exporter(logged):
    text = "canary\ud800"
    agent = Device("192.0.2.1", text)
    emitted(logged, event(user_id=text, device=agent, note=text, session_handle=text, reason=text), personal=True)
    assert logged.text().encode()
    [record] = logged.records()
    assert record.attributes["enduser.id"] == "canary?"
    assert json.dumps(dict(record.attributes), ensure_ascii=False).encode()


def test_an_api_without_names_of_events_is_a_problem_of_the_configuration(monkeypatch):
    class Old:
        def emit(self, record):
            """Know no name."""

    monkeypatch.setattr("reseal.metrics.log_records.Logger", Old)
    with pytest.raises(ConfigurationError, match=r"opentelemetry-api 1\.38"):
        EventLog(None)


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_service_logs_events_if_it_is_configured(settings, clock, logged, wanted):
    own = ServiceSettings(
        database_uri="memory:", api_keys=(KEY,), secret_key=SECRET, opentelemetry=True, opentelemetry_logs=wanted
    )
    heard = Recorder()
    service = TracedService(own, AsyncMemoryStore(clock), clock=clock, on_event=heard, logger_provider=logged.loggers)
    service.tracer_provider = logged.tracers
    transport = httpx.ASGITransport(service)
    remote = AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=transport)
    callers = Logged()
    async with AsyncReseal(settings, sessions=remote, clock=clock, on_event=Recorder()) as reseal:
        AsyncOpenTelemetry(reseal, logs=True, **callers.providers)
        pair = await remote.create("canary", caller=CALLER)
        await remote.revoke((pair.claims.sid,), note="canary-note")
    assert [each.name for each in heard.all] == ["key_published", "session_created", "session_revoked"]
    assert logged.names() == ([f"reseal.{each.name}" for each in heard.all] if wanted else [])
    assert "canary" not in logged.text()
    traces = [span.context.trace_id for span in callers.spans()]
    assert [record.trace_id for record in logged.records()] == ([0, *traces] if wanted else [])
    assert callers.records() == []  # what the service did, it tells itself


def test_logs_of_the_service_need_its_traces():
    with pytest.raises(ConfigurationError, match="'opentelemetry_logs' needs 'opentelemetry'"):
        ServiceSettings(database_uri="memory:", api_keys=(KEY,), opentelemetry_logs=True)


def test_the_provider_of_the_process_is_used_if_none_is_given():
    emitted_by_nobody = EventLog(None)
    emitted_by_nobody.emit(event())
    assert isinstance(emitted_by_nobody._logger, _logs.Logger)
