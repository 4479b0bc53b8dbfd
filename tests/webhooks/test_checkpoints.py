"""Checkpoints of the audit trail reach another machine, and show there that the trail was cut or made anew."""

import asyncio
import json
from contextlib import suppress

import pytest

from reseal import ConfigurationError, Settings
from reseal._async.audit import AsyncAuditTrail
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.audit_checkpoints import read_exported
from reseal.core.deliveries import ignore
from reseal.core.errors import StoreUnavailable
from reseal.core.keys import Wrapping
from reseal.core.webhooks import CHECKPOINT
from reseal.testing import AsyncFaultyStore, ManualClock
from reseal.webhooks.checkpoints import CheckpointSender
from reseal.webhooks.delivering import name_of
from reseal.webhooks.running import deliver_for_ever
from reseal.webhooks.state import State, written
from tests.webhooks.material import DOWN, OK, SECRET, Receiver, access_lifetime, endpoint, report
from tests.webhooks.test_messages import VALIDATOR

WANTING = endpoint(events=(CHECKPOINT,))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    return AsyncMemoryStore(clock)


@pytest.fixture
def trail(store):
    return AsyncAuditTrail(store, Wrapping(None))


@pytest.fixture
def receiver():
    return Receiver()


def sender(store, receiver, attempted=ignore):
    return CheckpointSender(store, WANTING, receiver, attempted)


def checkpoints(receiver):
    return [read_exported(json.loads(body)["data"]["checkpoint"]) for body in receiver.bodies]


async def test_each_checkpoint_arrives_once_and_as_verify_reads_it(store, trail, receiver):
    await sender(store, receiver).turn()
    assert receiver.bodies == []  # there is none yet
    for number in (1, 2):
        await report(store, number)
        await trail.seal()
        await trail.checkpoint()
        for _ in range(2):
            await sender(store, receiver).turn()
    assert [kept.seq for kept in checkpoints(receiver)] == [2, 4]
    assert [headers["webhook-id"] for headers in receiver.headers] == [
        kept.hash.hex()[:32] for kept in checkpoints(receiver)
    ]
    for body, kept in zip(receiver.bodies, checkpoints(receiver), strict=True):
        VALIDATOR.validate(json.loads(body))
        assert (await trail.verify(kept)).problems == ()


async def test_a_trail_that_was_made_anew_differs_from_what_arrived(store, trail, receiver, clock):
    await report(store, 1)
    await trail.seal()
    await trail.checkpoint()
    await sender(store, receiver).turn()
    [kept] = checkpoints(receiver)
    other = AsyncMemoryStore(clock)
    await AsyncAuditTrail(other, Wrapping(None)).checkpoint()
    assert (await AsyncAuditTrail(other, Wrapping(None)).verify(kept)).problems


async def test_it_is_sent_until_it_has_arrived_and_then_the_newest_alone(store, trail, receiver):
    attempts = []
    receiver.answer = lambda _: DOWN if len(receiver.attempts) < 3 else OK
    forwarder = sender(store, receiver, lambda attempt: attempts.append((attempt.channel, attempt.outcome)))
    await trail.checkpoint()
    await forwarder.turn()
    await forwarder.turn()
    assert len(set(receiver.attempts)) == 1
    await report(store, 1)
    await trail.seal()
    await trail.checkpoint()
    for _ in range(3):
        await forwarder.turn()
    assert [kept.seq for kept in checkpoints(receiver)] == [1, 1, 3]
    assert attempts == [("webhook:crm", outcome) for outcome in ("failed", "failed", "ok")]


async def test_rows_behind_it_do_not_hide_it(store, trail, receiver):
    await trail.checkpoint()
    await report(store, 1)
    await trail.seal()
    await sender(store, receiver).turn()
    assert [kept.seq for kept in checkpoints(receiver)] == [1]


async def test_rows_without_any_checkpoint_send_nothing(store, trail, receiver):
    await report(store, 1)
    await trail.seal()
    await sender(store, receiver).turn()
    assert receiver.attempts == []


async def test_an_endpoint_that_is_disabled_gets_none(store, trail, receiver):
    await trail.checkpoint()
    await store.write_note(name_of(WANTING), 0, written(State(disabled="the endpoint answered 410 Gone")))
    await sender(store, receiver).turn()
    assert receiver.attempts == []


@pytest.mark.parametrize(("types", "arrives"), [((CHECKPOINT,), True), (("session.revoked",), False), ((), False)])
async def test_delivery_sends_them_to_endpoints_that_want_them(store, trail, receiver, types, arrives):
    await report(store, 1)
    await trail.checkpoint()
    made = asyncio.Event()

    def make_sender(_):
        made.set()
        return receiver

    chosen = endpoint(events=types)
    task = asyncio.create_task(deliver_for_ever(store, [chosen], access_lifetime, make_sender))
    await made.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    kinds = {json.loads(body)["type"] for body in receiver.bodies}
    assert kinds == ({CHECKPOINT} if arrives else {"session.revoked"})


async def test_a_store_that_does_not_answer_loses_nothing(store, trail, receiver):
    await trail.checkpoint()
    faulty = AsyncFaultyStore(store)
    faulty.refuse("write_note")
    with pytest.raises(StoreUnavailable):
        await sender(faulty, receiver).turn()
    await sender(store, receiver).turn()
    assert len(receiver.attempts) == 2
    assert len(set(receiver.attempts)) == 1


def test_the_type_can_be_configured_and_not_for_other_formats():
    entry = {"name": "crm", "url": "https://crm.example.com", "secrets": [SECRET], "events": [CHECKPOINT]}
    given = {"api_domain": "https://api.example.com", "event_outbox": "security", "audit": True}
    [hook] = Settings(webhooks=[entry], **given).webhooks
    assert hook.types == (CHECKPOINT,)
    assert hook.names == frozenset()
    syslog = {"name": "log", "url": "udp://127.0.0.1", "format": "syslog", "events": [CHECKPOINT]}
    with pytest.raises(ConfigurationError, match="'events' must be a list of types"):
        Settings(webhooks=[syslog], **given)
