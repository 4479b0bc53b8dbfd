"""Gauges: what only the store knows, counted by one process for all, and the ages of keys."""

import dataclasses

import httpx
import pytest

from reseal import AsyncReseal, Settings
from reseal._async.engine import AsyncEngine
from reseal._async.gauges import EVERY, LEASE, AsyncGauges
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.model import EndReason, Scope
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.telemetry import AsyncMetrics
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from reseal.testing.material import DAY, HOUR, new_session
from tests.telemetry.test_metrics import values
from tests.webhooks.material import DOWN, MINUTE, OK, SECRET, Receiver, report, worker

KEY = "a-key-of-twenty-characters"
CHANNEL = "webhook:crm"
SESSIONS = "reseal_session_count"
AGE = "reseal_signing_key_age_seconds"
LAG = "reseal_delivery_lag_seconds"


class Counting(AsyncFaultyStore):
    """Remembers how often its sessions were counted, and how long it took."""

    def __init__(self, inner):
        super().__init__(inner)
        self.counted = 0

    async def live_sessions(self):
        self.counted += 1
        return await super().live_sessions()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    return Counting(AsyncMemoryStore(clock))


async def begin(store, count):
    for _ in range(count):
        number = len(store.inner._sessions.get(Scope(), {}))
        await store.insert(Scope(), new_session(f"h{number}", idle_ms=30 * DAY))


async def count(gauges):
    return (await gauges.samples())[SESSIONS].get("")


async def test_one_process_counts_for_all_and_not_more_often_than_once_a_minute(store, clock):
    first, second = (AsyncGauges(store, (), clock) for _ in range(2))
    await begin(store, 3)
    assert [await count(first), await count(second), store.counted] == [3, 3, 1]
    await begin(store, 2)
    clock.advance(EVERY - 1)
    assert [await count(first), await count(second), store.counted] == [3, 3, 1]
    clock.advance(1)
    assert [await count(second), await count(first), store.counted] == [5, 5, 2]


async def test_ended_and_expired_sessions_do_not_count(store, clock):
    gauges = AsyncGauges(store, (), clock)
    await begin(store, 3)
    await store.end(Scope(), ("h0",), EndReason.SIGNED_OUT)
    assert await count(gauges) == 2
    clock.advance(30 * DAY)
    assert await count(gauges) == 0


async def test_a_process_that_dies_while_it_counts_holds_the_others_up_for_ten_minutes(store, clock):
    await begin(store, 1)
    assert await count(AsyncGauges(store, (), clock)) == 1
    clock.advance(EVERY)
    store.refuse("live_sessions")
    await count(AsyncGauges(store, (), clock))
    await begin(store, 1)
    clock.advance(LEASE - 1)
    assert await count(AsyncGauges(store, (), clock)) == 1
    clock.advance(1)
    assert await count(AsyncGauges(store, (), clock)) == 2


async def test_a_time_of_a_clock_that_was_wrong_holds_nobody_up(store, clock):
    await begin(store, 1)
    await store.write_note("metrics:sessions", 0, f'{{"next_at":{clock.wall() + DAY},"sessions":7}}')
    assert await count(AsyncGauges(store, (), clock)) == 1


async def test_while_the_store_is_unavailable_the_gauges_stay(store, clock):
    gauges = AsyncGauges(store, (), clock)
    await begin(store, 1)
    before = dict(await gauges.samples())
    clock.advance(EVERY)
    store.refuse("backlog")
    assert await gauges.samples() == before


async def test_the_lag_of_a_webhook_counts_messages_that_have_left_the_outbox(store, clock):
    receiver = Receiver()
    receiver.answer = lambda _: DOWN
    deliverer, gauges = worker(store, receiver), AsyncGauges(store, (CHANNEL, "reseal:audit"), clock)
    await report(store, 1)
    await deliverer.turn()
    clock.advance(5 * MINUTE)
    await report(store, 2)
    lags = (await gauges.samples())[LAG]
    assert lags == {'{channel="webhook:crm"}': 300, '{channel="reseal:audit"}': 300}
    receiver.answer = lambda _: OK
    for _ in range(3):
        await deliverer.turn()
    clock.advance(EVERY)
    assert (await gauges.samples())[LAG]['{channel="webhook:crm"}'] == 0


@pytest.fixture
def configured():
    hooks = [{"name": "crm", "url": "https://crm.example.com", "secrets": [SECRET]}]
    given = {"api_keys": (KEY,), "audit": True, "event_outbox": "all", "webhooks": hooks}
    return ServiceSettings(database_uri="memory:", **given)


async def test_the_service_has_the_gauges_of_its_store_and_of_its_keys(configured, store, clock):
    service = Service(configured, store.inner, clock=clock, on_event=Recorder())
    await service.open()
    await report(store, 1)
    await begin(store, 2)
    clock.advance(MINUTE)
    found = values(await service.numbers())
    assert found[SESSIONS,] == 2
    assert found[LAG, "reseal:audit"] == found[LAG, CHANNEL] == 60
    assert (AGE,) not in found  # nobody has used the keys for a while
    app = await service.directory.find("public", "public")
    await app.driver.ring()
    assert values(await service.numbers())[AGE,] == 60
    await service.close()


async def test_the_age_is_that_of_the_oldest_key_in_use(configured, store, clock):
    service = Service(configured, store.inner, clock=clock, on_event=Recorder())
    await service.open()
    clock.advance(HOUR)
    native = Settings(api_domain="https://api.example.com")
    async with AsyncRemote(
        native, "https://core.test", api_key=KEY, clock=clock, transport=httpx.ASGITransport(service)
    ) as remote:
        await remote.create("user")
        clock.advance(1000)
        assert values(await service.numbers())[AGE,] == 1
        app = await service.directory.find("public", "public")
        await app.driver.ring()
        assert values(await service.numbers())[AGE,] == 3601
    await service.close()


async def test_an_application_with_remote_sessions_shows_how_old_its_kill_list_is(configured, store, clock):
    service = Service(dataclasses.replace(configured, kill_list=True), store.inner, clock=clock, on_event=Recorder())
    await service.open()
    settings = Settings(api_domain="https://api.example.com", kill_list=True)
    transport = httpx.ASGITransport(service)
    async with (
        AsyncRemote(settings, "https://core.test", api_key=KEY, clock=clock, transport=transport) as remote,
        AsyncReseal(settings, sessions=remote, clock=clock) as reseal,
    ):
        metrics = AsyncMetrics(reseal, clock=clock)
        clock.advance(3000)
        found = values(await metrics.text())
        assert found["reseal_kill_list_age_seconds",] == 3
        assert (found["reseal_kill_list_entries",], found["reseal_kill_list_stale",]) == (0, 0)
    await service.close()


async def test_attempts_count_by_channel_and_outcome(store, clock):
    engine = AsyncEngine(Settings(api_domain="https://api.example.com"), store, clock=clock, on_event=Recorder())
    async with AsyncReseal(engine.settings, sessions=engine, clock=clock, on_event=Recorder()) as reseal:
        metrics, receiver = AsyncMetrics(reseal, clock=clock), Receiver()
        receiver.answer = lambda _: DOWN
        deliverer = worker(store, receiver, attempted=metrics.note_attempt)
        await report(store, 1)
        for _ in range(10):
            await deliverer.turn()
            clock.advance(DAY)
        receiver.answer = lambda _: OK
        await store.write_note(CHANNEL, (await store.read_note(CHANNEL)).version, "{}")
        await report(store, 2)
        await deliverer.turn()
        found = values(await metrics.text())
    attempts = {key[-1]: value for key, value in found.items() if key[0] == "reseal_delivery_attempts_total"}
    assert attempts == {"failed": 9, "given_up": 1, "ok": 1}
