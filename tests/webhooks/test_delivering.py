"""Every event arrives at least once, in the order of its session, whatever happens to receivers and workers."""

import asyncio
import json
import logging

import pytest
from msgspec.structs import replace

from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.events import EventName
from reseal.core.outbox import RETENTION
from reseal.testing import ManualClock
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import POLL, name_of
from reseal.webhooks.messages import Message
from reseal.webhooks.state import MOST_FAILED, MOST_ON_THEIR_WAY, State, read, written
from tests.support.mortal import Killed, Mortal
from tests.webhooks.material import (
    DOWN,
    HOUR,
    MINUTE,
    OK,
    SECOND,
    Receiver,
    endpoint,
    report,
    worker,
)

LEASE = 35 * SECOND


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request, clock, tmp_path):
    match request.param:
        case "memory":
            store = AsyncMemoryStore(clock)
        case "sqlite":
            store = AsyncSQLiteStore(tmp_path / "s.db", clock)
        case _:
            store = AsyncPostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def receiver():
    return Receiver()


async def rest(deliverer):
    """Take turns until there is nothing to do."""
    while await deliverer.turn() < POLL:
        pass


async def spend(deliverer, clock, milliseconds, step=MINUTE):
    for _ in range(0, milliseconds, step):
        await rest(deliverer)
        clock.advance(step)
    await rest(deliverer)


async def state_of(store):
    return read(await store.read_note(name_of(endpoint())))


# -- receivers ------------------------------------------------------------------------------------------------------


async def test_an_event_arrives_once_with_headers_and_body_of_its_own(store, receiver, clock):
    event_id = await report(store, 1)
    deliverer = worker(store, receiver)
    await rest(deliverer)
    await rest(deliverer)
    [headers], [body] = receiver.headers, receiver.bodies
    assert headers["webhook-id"] == event_id
    assert headers["webhook-timestamp"] == str(clock.wall() // 1000)
    assert json.loads(body)["data"]["access_exp"] == -(-(clock.wall() + HOUR) // 1000)
    assert (await store.purge_events(10)).removed == 1


async def test_only_the_wanted_types_are_sent_and_the_others_do_not_wait(store, receiver):
    wanted = endpoint(events=("session.theft_detected",))
    theft = await report(store, 1, name=EventName.TOKEN_THEFT)
    await report(store, 2)
    await rest(worker(store, receiver, to=wanted))
    assert receiver.attempts == [theft]
    assert (await store.purge_events(10)).removed == 2


async def test_without_a_choice_frequent_types_are_not_sent(store, receiver):
    names = [EventName.SESSION_CREATED, EventName.SESSION_REFRESHED, EventName.SESSION_REVOKED, EventName.TOKEN_THEFT]
    ids = [await report(store, n, name=name) for n, name in enumerate(names)]
    await rest(worker(store, receiver))
    assert sorted(receiver.arrived) == sorted([ids[0], ids[2], ids[3]])


async def test_nothing_is_lost_while_the_receiver_is_down_for_an_hour(store, receiver, clock):
    receiver.answer = lambda _: DOWN
    deliverer = worker(store, receiver)
    ids = [await report(store, n, f"h{n % 3}") for n in range(9)]
    await spend(deliverer, clock, HOUR // 2)
    ids += [await report(store, n, f"h{n % 3}") for n in range(9, 18)]
    await spend(deliverer, clock, HOUR // 2)
    assert receiver.arrived == []
    assert len(receiver.attempts) == 3 * 4  # of each session the first message: at once, after 5 s, 5 min and 30 min
    receiver.answer = lambda _: OK
    await spend(deliverer, clock, 2 * HOUR)
    assert sorted(receiver.arrived) == sorted(ids)
    for session in ("h0", "h1", "h2"):
        of_session = [each for each in ids if receiver.sessions[each] == session]
        assert [each for each in receiver.arrived if each in of_session] == of_session


async def test_a_message_that_failed_is_sent_again_with_a_time_and_signature_of_its_own(store, receiver, clock):
    answers = [Answer(500), OK]
    receiver.answer = lambda _: answers.pop(0)
    event_id = await report(store, 1)
    deliverer = worker(store, receiver)
    await spend(deliverer, clock, 10 * SECOND, SECOND)
    assert receiver.attempts == [event_id, event_id]
    first, second = receiver.headers
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    assert first["webhook-signature"] != second["webhook-signature"]
    assert receiver.bodies[0] == receiver.bodies[1]
    assert (await state_of(store)).problem == "status 500"


async def test_a_message_waits_for_an_earlier_one_of_its_session_and_for_no_other(store, receiver, clock):
    first, second, other = [await report(store, n, session) for n, session in enumerate(["a", "a", "b"])]
    receiver.answer = lambda message: Answer(500) if message == first and len(receiver.attempts) < 4 else OK
    deliverer = worker(store, receiver)
    await rest(deliverer)
    assert receiver.arrived == [other]
    await spend(deliverer, clock, HOUR)
    assert receiver.arrived == [other, first, second]


async def test_gone_disables_the_endpoint_until_it_is_enabled_again(store, receiver, clock, caplog):
    receiver.answer = lambda _: Answer(410)
    ids = [await report(store, n) for n in range(2)]
    deliverer = worker(store, receiver)
    with caplog.at_level(logging.ERROR, "reseal"):
        await spend(deliverer, clock, HOUR)
    assert sorted(receiver.attempts) == sorted(ids)
    assert "webhook crm is disabled (the endpoint answered 410 Gone): run reseal webhooks enable crm" in caplog.text
    ids.append(await report(store, 2))
    receiver.answer = lambda _: OK
    note = await store.read_note("webhook:crm")
    assert await store.write_note("webhook:crm", note.version, written(read(note).enabled()))
    await rest(deliverer)
    assert sorted(receiver.arrived) == sorted(ids)


@pytest.mark.parametrize(
    ("answer", "pause"),
    [(Answer(429, 20 * MINUTE), 20 * MINUTE), (Answer(503, 7 * MINUTE), 7 * MINUTE), (Answer(502), 5 * SECOND)],
    ids=["429 with a time", "503 with a time", "502"],
)
async def test_an_overloaded_endpoint_gets_nothing_for_a_while(store, receiver, clock, answer, pause):
    deliverer = worker(store, receiver)
    receiver.answer = lambda _: answer
    await report(store, 0)
    await rest(deliverer)
    receiver.answer = lambda _: OK
    later = await report(store, 1)
    clock.advance(pause - 1)
    await rest(deliverer)
    assert len(receiver.attempts) == 1
    clock.advance(1)
    await rest(deliverer)
    assert later in receiver.arrived
    assert len(receiver.arrived) == 2


async def test_after_ten_attempts_in_three_days_a_message_is_given_up_and_can_be_replayed(store, receiver, clock):
    poison = await report(store, 0, "a")
    receiver.answer = lambda message: Answer(400) if message == poison else OK
    deliverer = worker(store, receiver)
    began = clock.wall()
    behind = await report(store, 1, "a")
    for n in range(2, 80):
        await report(store, n)
        await spend(deliverer, clock, HOUR, HOUR // 4)
        if behind in receiver.arrived:
            break
    assert receiver.attempts.count(poison) == 10
    assert 75 * HOUR <= clock.wall() - began <= 79 * HOUR
    state = await state_of(store)
    assert ([each.id for each in state.failed], state.disabled) == ([poison], "")
    assert state.failed[0].problem == "status 400"
    receiver.answer = lambda _: OK
    note = await store.read_note("webhook:crm")
    await store.write_note("webhook:crm", note.version, written(state.replayed()))
    await rest(deliverer)
    assert receiver.arrived[-1] == poison
    assert (await state_of(store)).failed == ()


async def test_an_endpoint_to_which_nothing_succeeds_for_three_days_is_disabled(store, receiver, clock, caplog):
    receiver.answer = lambda _: DOWN
    ids = [await report(store, n) for n in range(3)]
    deliverer = worker(store, receiver)
    with caplog.at_level(logging.ERROR, "reseal"):
        await spend(deliverer, clock, 80 * HOUR, HOUR // 2)
    state = await state_of(store)
    assert state.disabled.startswith("no attempt has succeeded since ")
    assert "webhook crm is disabled" in caplog.text
    assert f"gave up message {ids[0]}: not reached" in caplog.text
    assert len(receiver.attempts) == 30
    receiver.answer = lambda _: OK
    note = await store.read_note("webhook:crm")
    await store.write_note("webhook:crm", note.version, written(state.enabled().replayed()))
    await rest(deliverer)
    assert sorted(receiver.arrived) == sorted(ids)


async def test_messages_that_were_given_up_are_kept_for_30_days_and_no_more_than_a_hundred(
    store, receiver, clock, caplog
):
    def failed(number, at):
        message = Message(id=str(number), body="{}", session=str(number), begun_at=at, problem="status 400")
        return replace(message, attempts=9)

    now, month = clock.wall(), 30 * 24 * HOUR
    messages = tuple(failed(n, now) for n in range(MOST_FAILED + 2))
    old = (failed("old", now - month), failed("young", now - month + MINUTE))
    state = State(messages=messages, failed=old, succeeded_at=now)
    await store.write_note("webhook:crm", 0, written(state))
    receiver.answer = lambda message: Answer(400)
    deliverer = worker(store, receiver)
    with caplog.at_level(logging.ERROR, "reseal"):
        await deliverer.turn()
        assert [each.id for each in (await state_of(store)).failed] == ["young", *map(str, range(16))]
        await rest(deliverer)
    assert [each.id for each in (await state_of(store)).failed] == [str(n) for n in range(2, MOST_FAILED + 2)]
    assert "webhook crm: more than 100 messages failed; the oldest were dropped" in caplog.text


async def test_no_more_than_a_hundred_messages_are_out_of_the_outbox(store, receiver, clock):
    receiver.answer = lambda _: DOWN
    ids = [await report(store, n) for n in range(MOST_ON_THEIR_WAY + 50)]
    deliverer = worker(store, receiver)
    await spend(deliverer, clock, MINUTE)
    assert len((await state_of(store)).messages) == MOST_ON_THEIR_WAY
    assert (await store.purge_events(1000)).removed == MOST_ON_THEIR_WAY
    receiver.answer = lambda _: OK
    await spend(deliverer, clock, HOUR)
    assert sorted(receiver.arrived) == sorted(ids)


async def test_lost_events_are_told(store, receiver, clock, caplog):
    await rest(worker(store, receiver))
    await report(store, 0)
    clock.advance(RETENTION.ms)
    await store.purge_events(10)
    with caplog.at_level(logging.WARNING, "reseal"):
        await rest(worker(store, receiver))
    assert "webhook crm: 1 events were removed before they could be sent" in caplog.text
    caplog.clear()
    await rest(worker(store, receiver))
    assert "removed" not in caplog.text


async def test_a_clock_that_was_set_back_holds_nothing_up(store, receiver, clock):
    receiver.answer = lambda _: DOWN
    clock.jump(300 * HOUR)
    await store.repair_clock()
    await report(store, 0)
    await rest(worker(store, receiver, "gone"))
    clock.jump(-300 * HOUR)
    await store.repair_clock()
    receiver.answer = lambda _: OK
    await rest(worker(store, receiver, "next"))
    assert len(receiver.arrived) == 1


# -- workers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(9))
async def test_a_worker_may_be_killed_at_any_call(store, receiver, clock, at, done):
    ids = [await report(store, n, f"h{n % 2}") for n in range(6)]
    mortal = worker(Mortal(store, at=at, done=done), receiver)
    with pytest.raises(Killed):
        await rest(mortal)
    survivor = worker(store, receiver, "second")
    ids += [await report(store, n, f"h{n % 2}") for n in range(6, 10)]
    await spend(survivor, clock, LEASE, SECOND)
    assert set(receiver.arrived) == set(ids)
    assert len(receiver.arrived) - len(ids) in {0, 2}  # at most those whose answers were not written down
    for session in ("h0", "h1"):
        once = [each for each in dict.fromkeys(receiver.arrived) if receiver.sessions[each] == session]
        assert once == [each for each in ids if receiver.sessions[each] == session]
    assert (await store.purge_events(100)).removed == 10


async def test_what_was_delivered_before_its_acknowledgement_got_lost_is_not_taken_again(store, receiver, clock):
    """The outbox gives the same page again: its events are known by their numbers, even if none is left of them."""
    faulty = AsyncFaultyStore(store)
    ids = [await report(store, n) for n in range(MOST_ON_THEIR_WAY + 5)]
    faulty.refuse("acknowledge_events")
    with pytest.raises(Exception, match="the test had this call refused"):
        await worker(faulty, receiver).turn()
    assert receiver.attempts == []
    await rest(worker(faulty, receiver))
    assert len(receiver.arrived) == len(ids)
    assert set(receiver.arrived) == set(ids)


async def test_of_two_workers_one_delivers(store, clock):
    sending = 0

    class Slow(Receiver):
        async def send(self, body, headers, now):
            nonlocal sending
            sending += 1
            assert sending <= 3
            await asyncio.sleep(0.005)
            answer = await super().send(body, headers, now)
            sending -= 1
            return answer

    receiver = Slow()
    ids = []
    both = [worker(store, receiver, name) for name in ("first", "second")]
    for n in range(0, 30, 3):
        ids += [await report(store, n + m, f"h{m}") for m in range(3)]
        await asyncio.gather(*(each.turn() for each in both))
    await asyncio.gather(*map(rest, both))
    assert len(receiver.arrived) == 30
    for session in ("h0", "h1", "h2"):
        arrived = [each for each in receiver.arrived if receiver.sessions[each] == session]
        assert arrived == [each for each in ids if receiver.sessions[each] == session]


async def test_a_worker_that_comes_to_a_stand_is_replaced_and_does_not_overwrite_its_successor(store, clock):
    hangs, goes_on = asyncio.Event(), asyncio.Event()

    class Hanging(Receiver):
        async def send(self, body, headers, now):
            hangs.set()
            await goes_on.wait()
            return await super().send(body, headers, now)

    slow, receiver = Hanging(), Receiver()
    slow.answer = lambda _: Answer(500)
    first, second = [await report(store, n, "a") for n in range(2)]
    task = asyncio.create_task(worker(store, slow, "slow").turn())
    await hangs.wait()
    other = worker(store, receiver, "other")
    await rest(other)
    assert receiver.attempts == []
    clock.advance(LEASE)
    await rest(other)
    assert receiver.arrived == [first, second]
    goes_on.set()
    await task
    assert (await state_of(store)).messages == ()
    assert (await state_of(store)).held_by == "other"


async def test_a_worker_that_leaves_lets_another_deliver_at_once(store, receiver):
    first, second = worker(store, receiver, "first"), worker(store, receiver, "second")
    await rest(first)
    await report(store, 0)
    await rest(second)
    assert receiver.arrived == []
    await second.release()  # it has nothing to let go
    await rest(second)
    assert receiver.arrived == []
    await first.release()
    await rest(second)
    assert len(receiver.arrived) == 1


async def test_a_worker_without_anything_to_do_writes_rarely(store, receiver, clock):
    deliverer = worker(store, receiver)
    await spend(deliverer, clock, 10 * LEASE, SECOND)
    assert 15 <= (await store.read_note("webhook:crm")).version <= 21
