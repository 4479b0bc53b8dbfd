"""Metrics of an application that embeds Reseal: what they are counted from, and how they leave."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from wsgiref.util import setup_testing_defaults

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families

from reseal import AsyncReseal, Reseal, Settings
from reseal import fastapi as adapter
from reseal._async.engine import AsyncEngine
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._sync.engine import Engine
from reseal._sync.stores.memory import MemoryStore
from reseal.core.errors import StoreUnavailable, Unauthorised
from reseal.core.events import Caller, Event, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Device, EndReason, Scope
from reseal.metrics.health import FAMILIES, SessionHealth, kind_of
from reseal.metrics.sign_outs import MOST, SignOuts, family_of, network_of
from reseal.telemetry import CONTENT_TYPE, AsyncMetrics, Metrics
from reseal.testing import (
    AsyncFaultyStore,
    ManualClock,
    Recorder,
    Site,
    async_assert_catches_thieves,
    async_assert_keeps_users_signed_in,
)

API = "https://api.example.com"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def values(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings():
    return Settings(api_domain=API, event_outbox="all")


@pytest.fixture
async def store(clock):
    return AsyncFaultyStore(AsyncMemoryStore(clock))


@pytest.fixture
async def reseal(settings, store, clock):
    engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
    async with AsyncReseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        yield reseal


async def test_each_published_name_is_valid_and_has_only_labels_of_closed_lists(reseal, clock):
    metrics = AsyncMetrics(reseal, clock=clock)
    pair = await reseal.backend.create("canary")
    await reseal.backend.refresh(pair.refresh_token)
    families = list(text_string_to_metric_families(await metrics.text()))
    assert {family.name.removesuffix("_total") for family in families} == {
        name.removesuffix("_total") for name in FAMILIES
    }
    assert all(family.documentation for family in families)
    known = {"outcome", "subtype", "reason", "evidence", "operation", "kind", "channel", "le"}
    assert {label for family in families for sample in family.samples for label in sample.labels} <= known


async def test_nothing_is_changed_before_metrics_are_made(reseal, store):
    before = [vars(reseal.backend).get("refresh"), vars(store).get("rotate")]
    AsyncMetrics(reseal)
    assert before == [None, None]
    assert vars(reseal.backend)["refresh"]
    assert vars(store)["rotate"]


async def test_calls_that_the_store_does_not_answer_are_counted_and_are_no_refusals(reseal, store, clock):
    metrics = AsyncMetrics(reseal, clock=clock)
    pair = await reseal.backend.create("user")
    store.refuse("rotate")
    with pytest.raises(StoreUnavailable):
        await reseal.backend.refresh(pair.refresh_token)
    found = values(await metrics.text())
    assert found["reseal_store_errors_total", "rotate", "unavailable"] == 1
    assert found["reseal_refresh_duration_seconds_count", "error"] == 1
    assert sum(count for (name, *_), count in found.items() if name == "reseal_refresh_refused_total") == 0


@pytest.mark.parametrize(
    ("cause", "kind"),
    [(None, "unavailable"), (OSError(), "unavailable"), (TimeoutError(), "timeout")],
)
def test_the_kind_of_a_failure_is_what_the_driver_said(cause, kind):
    error = StoreUnavailable()
    error.__cause__ = cause
    assert kind_of(error) == kind


@pytest.mark.parametrize(("state", "kind"), [("57014", "timeout"), ("40P01", "conflict"), ("53300", "unavailable")])
def test_the_code_of_the_database_decides(state, kind):
    error, cause = StoreUnavailable(), Exception()
    cause.sqlstate = state
    error.__cause__ = cause
    assert kind_of(error) == kind


async def test_gauges_ask_the_store_once_a_minute(reseal, store, clock):
    metrics = AsyncMetrics(reseal, consumers=("audit",), clock=clock)
    await reseal.backend.create("user")
    clock.advance(30_000)
    found = values(await metrics.text())
    assert found[("reseal_purge_backlog_sessions",)] == 0
    assert found["reseal_delivery_lag_seconds", "audit"] == 30
    assert found[("reseal_signing_key_age_seconds",)] == 30
    clock.advance(59_999)
    store.refuse("backlog")
    found = values(await metrics.text())  # the store was not asked
    assert ("reseal_store_errors_total", "backlog", "unavailable") not in found
    assert found["reseal_delivery_lag_seconds", "audit"] == 30
    clock.advance(1)
    assert values(await metrics.text())["reseal_store_errors_total", "backlog", "unavailable"] == 1


async def test_what_tabs_and_thieves_of_the_simulators_did(settings, clock):
    app, store = FastAPI(), AsyncMemoryStore(clock)
    engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
    reseal = adapter.Reseal(settings, sessions=engine, clock=clock, on_event=Recorder())
    reseal.install(app)
    metrics = AsyncMetrics(reseal.sessions, clock=clock)
    app.mount("/metrics", metrics)

    @app.post("/login")
    async def login(request: Request):
        await reseal.create_new_session(request, "canary")

    @app.get("/me")
    async def me(request: Request):
        return (await reseal.get_session(request)).get_user_id()

    site = Site.of(settings, sign_in=("POST", "/login"), protected=("GET", "/me"))
    await async_assert_keeps_users_signed_in(app, site, tabs=5, clock=clock)
    honest = values(await metrics.text())
    thefts = [honest["reseal_refreshes_total", "theft", subtype] for subtype in ("previous", "older")]
    assert thefts == [0, 0]
    assert honest["reseal_refreshes_total", "replayed", "race"] >= 4 * 4
    assert honest["reseal_refreshes_total", "replayed", "lost_response"] >= 1
    await async_assert_catches_thieves(app, site, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API) as client:
        answer = await client.get("/metrics/")
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert "canary" not in answer.text
    found = values(answer.text)
    assert sum(found["reseal_refreshes_total", "theft", subtype] for subtype in ("previous", "older")) == 3


def test_threads_lose_no_count_and_wsgi_serves_them(settings, clock):
    engine = Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder())
    with Reseal(settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        metrics, together = Metrics(reseal, clock=clock), threading.Barrier(8)

        def visit(number):
            together.wait()
            for _ in range(20):
                engine.refresh(engine.create(f"user-{number}").refresh_token)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(visit, range(8)))
        environ, started = {}, []
        setup_testing_defaults(environ)
        [body] = metrics(environ, lambda status, headers: started.append((status, dict(headers))))
    found = values(body.decode())
    assert started == [("200 OK", {"content-type": CONTENT_TYPE, "cache-control": "no-store"})]
    assert found[("reseal_sessions_created_total",)] == found["reseal_refreshes_total", "ok", ""] == 160
    assert found["reseal_refresh_duration_seconds_count", "ok"] == 160
    assert found["reseal_store_seconds_count", "rotate"] == 160


async def test_tasks_at_once_keep_their_outcomes_apart(reseal, clock):
    metrics = AsyncMetrics(reseal, clock=clock)
    pairs = [await reseal.backend.create("user") for _ in range(4)]

    async def refresh(token):
        with suppress(Unauthorised):
            await reseal.backend.refresh(token)

    for _ in range(2):  # the second time each is a replay
        await asyncio.gather(*(refresh(token) for pair in pairs for token in (pair.refresh_token, "x")))
    found = values(await metrics.text())
    timed = {outcome: found.get(("reseal_refresh_duration_seconds_count", outcome)) for outcome in ("ok", "replayed")}
    assert timed == {"ok": 4, "replayed": 4}
    assert found["reseal_refresh_duration_seconds_count", "refused"] == 8


# -- the estimate of spurious sign-outs ---------------------------------------------------------------------------------


def event(name, at=0, *, user="user", ip="192.0.2.1", agent=CHROME, reason=None):
    return Event(name=name, at=at, scope=Scope(), user_id=user, reason=reason, device=Device(ip, agent))


def sign_in(at, **named):
    return event(EventName.SESSION_CREATED, at, **named)


@pytest.mark.parametrize(
    ("named", "counts"),
    [
        ({}, True),
        ({"ip": "192.0.2.254"}, True),
        ({"agent": CHROME.replace("140", "141")}, True),
        ({"ip": "192.0.3.1"}, False),
        ({"agent": "Mozilla/5.0 Firefox/140.0"}, False),
        ({"user": "another"}, False),
        ({"ip": None}, False),
    ],
)
def test_a_sign_in_on_the_same_device_counts(named, counts):
    estimate = SignOuts()
    estimate.remember(event(EventName.REFRESH_REFUSED, reason="successor_unreadable"))
    assert estimate.match(sign_in(1000, **named)) == ("re_login_same_device" if counts else None)


def test_it_counts_once_and_within_ten_minutes():
    estimate = SignOuts()
    estimate.remember(event(EventName.TOKEN_THEFT, reason="older"))
    assert estimate.match(sign_in(599_999)) == "theft_same_device"
    assert estimate.match(sign_in(599_999)) is None
    estimate.remember(event(EventName.TOKEN_THEFT, reason="older"))
    assert estimate.match(sign_in(600_000)) is None
    assert len(estimate) == 0


def test_visitors_who_are_not_signed_in_are_not_one_user():
    estimate = SignOuts()
    estimate.remember(event(EventName.TOKEN_THEFT, reason="older", user=ANONYMOUS))
    assert (len(estimate), estimate.match(sign_in(1, user=ANONYMOUS))) == (0, None)


@pytest.mark.parametrize("reason", [*(each.value for each in EndReason if each.value not in {"theft", "forked"})])
def test_what_somebody_asked_for_is_not_spurious(reason):
    estimate = SignOuts()
    estimate.remember(event(EventName.REFRESH_REFUSED, reason=reason))
    assert bool(len(estimate)) is (reason == "not_before")


def test_a_stranger_who_is_refused_all_the_time_takes_no_memory_without_end():
    estimate, health = SignOuts(), SessionHealth()
    for number in range(MOST + 50):
        refused = event(EventName.REFRESH_REFUSED, reason="theft", user=f"user-{number}")
        estimate.remember(refused)
        health.count_event(refused)
    assert len(estimate) == MOST
    assert sum(health.samples()["reseal_refresh_refused_total"].values()) == MOST + 50


def test_devices_are_compared_by_family_and_network():
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.9") != network_of("192.0.3.9")
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:ffff::9") != network_of("2001:db8:2::1")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert family_of("okhttp/4.12 (Android)") == "okhttp"
    assert family_of("Mozilla/5.0 Chrome/140 Safari/537.36 Edg/140.0") == "Edg"
    assert family_of("☃") == ""


def test_the_caller_of_an_event_never_becomes_a_label():
    health = SessionHealth()
    caller = Caller(Device("192.0.2.99", "canary-agent"))
    health.count_event(event(EventName.REFRESH_REFUSED, reason="canary", ip=caller.device.ip, agent="canary-agent"))
    health.count_event(event(EventName.STORE_UNAVAILABLE, reason="canary"))
    assert "canary" not in repr(health.samples())
