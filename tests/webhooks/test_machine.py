"""A state machine: events, workers that are killed at any call, receivers that fail, and time, in any order.

The model is the list of events of each session: what arrives, without repetitions, is always the beginning of it.
"""

import asyncio
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reseal._async.stores.memory import AsyncMemoryStore
from reseal.testing import ManualClock
from reseal.webhooks.answers import Answer
from reseal.webhooks.delivering import POLL
from tests.support.mortal import Killed, Mortal
from tests.webhooks.material import DOWN, HOUR, OK, SECOND, Receiver, report, worker

PROFILE = settings(
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
WORKERS = st.sampled_from(["first", "second"])


class WebhookMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.clock = ManualClock()
        self.store = AsyncMemoryStore(self.clock)
        asyncio.run(self.store.open())
        self.receiver = Receiver()
        self.events = {}  # of each session the ids, in their order
        self.number = 0

    @rule(session=st.sampled_from("abc"), number=st.integers(1, 4))
    def report(self, session, number):
        for _ in range(number):
            self.events.setdefault(session, []).append(asyncio.run(report(self.store, self.number, session)))
            self.number += 1

    @rule(name=WORKERS)
    def turn(self, name):
        asyncio.run(worker(self.store, self.receiver, name).turn())

    @rule(name=WORKERS, at=st.integers(0, 8), done=st.booleans())
    def be_killed(self, name, at, done):
        with suppress(Killed):
            asyncio.run(worker(Mortal(self.store, at=at, done=done), self.receiver, name).turn())

    @rule()
    def race(self):
        async def both():
            await asyncio.gather(*(worker(self.store, self.receiver, name).turn() for name in ("first", "second")))

        asyncio.run(both())

    @rule(answer=st.sampled_from([OK, OK, DOWN, Answer(500), Answer(429, 30 * SECOND), Answer(502)]))
    def change_mood(self, answer):
        self.receiver.answer = lambda _: answer

    @rule(odd=st.booleans())
    def answer_by_message(self, odd):
        self.receiver.answer = lambda message: OK if (int(message, 16) % 2 == 1) is odd else DOWN

    @rule(milliseconds=st.sampled_from([SECOND, 6 * SECOND, 40 * SECOND, HOUR]))
    def wait(self, milliseconds):
        self.clock.advance(milliseconds)

    @rule()
    def purge(self):
        asyncio.run(self.store.purge_events(100))

    @invariant()
    def what_arrives_is_the_beginning_of_each_session(self):
        for session, ids in getattr(self, "events", {}).items():
            once = [each for each in dict.fromkeys(self.receiver.arrived) if self.receiver.sessions[each] == session]
            assert once == ids[: len(once)]

    def teardown(self):
        if not hasattr(self, "store"):
            return
        self.receiver.answer = lambda _: OK
        self.clock.advance(48 * HOUR)
        survivor = worker(self.store, self.receiver, "survivor")
        while asyncio.run(survivor.turn()) < POLL:
            pass
        assert set(self.receiver.arrived) == {each for ids in self.events.values() for each in ids}
        self.what_arrives_is_the_beginning_of_each_session()


def test_every_event_arrives_in_the_order_of_its_session():
    run_state_machine_as_test(WebhookMachine, settings=PROFILE)
