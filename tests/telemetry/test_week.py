"""After a simulated week the metrics equal what the simulation did, embedded and in the service, to the last one."""

import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reseal import AsyncReseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.telemetry import AsyncMetrics
from reseal.testing import ManualClock, Recorder
from tests.telemetry.week import SETTINGS, Week

KEY = "a-key-of-twenty-characters"
NAMES = {
    "created": "reseal_sessions_created_total",
    "ended": "reseal_sessions_ended_total",
    "refresh": "reseal_refreshes_total",
    "refused": "reseal_refresh_refused_total",
    "spurious": "reseal_logouts_spurious_estimate_total",
}
LABELS = {
    "created": (),
    "ended": ("reason",),
    "refresh": ("outcome", "subtype"),
    "refused": ("reason",),
    "spurious": ("evidence",),
}


def read(text):
    """Return samples by name and labels, as Prometheus's own parser reads them."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counted(text):
    """Return what is not zero, in the words of the simulation."""
    samples, found = read(text), {}
    for word, name in NAMES.items():
        for (full, *labels), value in samples.items():
            if full == name and value:
                found[(word, *(dict(labels)[label] for label in LABELS[word]))] = value
    return found


def timed(text):
    return {
        dict(labels)["outcome"]: value
        for (name, *labels), value in read(text).items()
        if name == "reseal_refresh_duration_seconds_count"
    }


def times(account):
    """Return how often each outcome should have been timed."""
    found = {}
    for (word, *labels), count in account.items():
        outcome = labels[0] if word == "refresh" else word
        if word in {"refresh", "refused"}:
            found[outcome] = found.get(outcome, 0) + count
    return found


def expected(week):
    return {what: count for what, count in week.account.items() if count}


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings():
    return Settings(api_domain="https://api.example.com", **SETTINGS)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_embedded(clock, settings, kind, seed, tmp_path):
    store = AsyncMemoryStore(clock) if kind == "memory" else AsyncSQLiteStore(tmp_path / "sessions.db", clock)
    engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        metrics = AsyncMetrics(reseal, clock=clock)
        week = Week(reseal.backend, clock, seed)
        await week.play()
        text = await metrics.text()
    assert counted(text) == expected(week)
    assert timed(text) == times(week.account)
    assert live(text) == week.live_sessions > 0
    assert_private(text, week)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_service(clock, settings, seed):
    store = AsyncMemoryStore(clock)
    service = Service(ServiceSettings(database_uri="memory:", api_keys=(KEY,)), store, clock=clock, on_event=Recorder())
    transport = httpx.ASGITransport(service)
    async with AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=transport) as remote:
        week = Week(remote, clock, seed)
        await week.play()
    text = await service.numbers()
    assert counted(text) == expected(week)
    assert timed(text) == times(week.account)
    assert live(text) == week.live_sessions > 0
    assert_private(text, week)


def live(text):
    return read(text)["reseal_session_count",]


def assert_private(text, week):
    assert len(week.secrets) > 100
    assert [secret for secret in week.secrets if secret in text] == []
    assert not re.search(r"user-|198\.51|203\.0|Mozilla|curl", text)
