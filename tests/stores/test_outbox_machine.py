"""A state machine over the event outbox: changes, readers that come and go, purging and restarts, in any order.

A list of what was reported is the whole model: numbers without gaps, the oldest removed first.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reseal import MemoryStore, SQLiteStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import EventPage, Occurrence, PurgedEvents, Report, Retention
from reseal.testing import ManualClock
from reseal.testing.material import DAY, new_session, step

PUBLIC = Scope()
PROFILE = settings(
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
CREATED, REFRESHED, REVOKED = (
    Report(name=name) for name in (EventName.SESSION_CREATED, EventName.SESSION_REFRESHED, EventName.SESSION_REVOKED)
)
REPORTED = st.lists(st.sampled_from([REFRESHED, REVOKED]), max_size=2).map(tuple)
HANDLES = st.sampled_from([f"h{n}" for n in range(6)])
CONSUMERS = st.sampled_from(["a", "b"])
WEEK = 7 * DAY


class OutboxMachine(RuleBasedStateMachine):
    """Subclasses say how a store is made."""

    def make(self, clock):
        raise NotImplementedError

    @initialize()
    def begin(self):
        self.clock = ManualClock()
        self.store = self.make(self.clock)
        self.store.open()
        self.live, self.generation = {}, {}
        self.events = []  # of each: name, handle, time, key
        self.removed = 0
        self.acknowledged = {}
        self.page = {}

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()

    def told(self, handle, reports, key=None):
        self.events += [(each.name, handle, self.clock.wall(), key) for each in reports]

    # -- changes ----------------------------------------------------------------------------------------------------

    @rule(handle=HANDLES, is_reported=st.booleans())
    def insert(self, handle, is_reported):
        reports = (CREATED,) if is_reported else ()
        done = self.store.insert(PUBLIC, new_session(handle, idle_ms=1000 * DAY), reports)
        assert (done is None) == (handle in self.live)
        if done:
            self.live[handle], self.generation[handle] = True, 0
            self.told(handle, reports)

    @rule(handle=HANDLES, behind=st.integers(0, 1), reports=REPORTED)
    def rotate(self, handle, behind, reports):
        generation = self.generation.get(handle, 0) - behind
        done = self.store.rotate(PUBLIC, step(handle, generation, idle_ms=1000 * DAY), reports)
        assert (done is not None) == (self.live.get(handle, False) and not behind)
        if done:
            self.generation[handle] += 1
            self.told(handle, reports)

    @rule(handle=HANDLES, is_stale=st.booleans(), reports=REPORTED)
    def replace(self, handle, is_stale, reports):
        record = self.store.get(PUBLIC, handle).record
        if record is None:
            return
        if is_stale and self.store.replace(PUBLIC, record):
            assert not self.store.replace(PUBLIC, record, reports)
        elif not is_stale:
            assert self.store.replace(PUBLIC, record, reports)
            self.told(handle, reports)

    @rule(handles=st.lists(HANDLES, max_size=3, unique=True), reports=REPORTED)
    def end(self, handles, reports):
        ended = self.store.end(PUBLIC, handles, EndReason.REVOKED, reports)
        assert set(ended) == {handle for handle in handles if self.live.get(handle)}
        for handle in ended:
            self.live[handle] = False
        self._told_in_any_order(ended, reports)

    @rule(keep=st.none() | HANDLES, reports=REPORTED)
    def end_user(self, keep, reports):
        ended = self.store.end_user(PUBLIC, "user", EndReason.REVOKED, keep, reports)
        assert set(ended) == {handle for handle, lives in self.live.items() if lives and handle != keep}
        for handle in ended:
            self.live[handle] = False
        self._told_in_any_order(ended, reports)

    def _told_in_any_order(self, ended, reports):
        """The sessions of one call have no order: look which one the store chose."""
        number = len(ended) * len(reports)
        page = self.store.read_events("observer", 10_000)
        new = page.events[len(page.events) - number :] if number else ()
        assert sorted((each.name, each.session_handle) for each in new) == sorted(
            (report.name, handle) for handle in ended for report in reports
        )
        self.acknowledged.setdefault("observer", self.removed)
        self.events += [(each.name, each.session_handle, self.clock.wall(), None) for each in new]

    @rule(key=st.integers(0, 3))
    def append(self, key):
        is_new = all(each[3] != key for each in self.events[self.removed :])
        occurrence = Occurrence(PUBLIC, f"key {key}", None, REVOKED, bytes([key] * 16))
        assert self.store.append_event(occurrence) is is_new
        if is_new:
            self.told(f"key {key}", (REVOKED,), key)

    # -- readers ----------------------------------------------------------------------------------------------------

    @rule(consumer=CONSUMERS, limit=st.integers(1, 5))
    def read(self, consumer, limit):
        page = self.store.read_events(consumer, limit)
        at = self.acknowledged.setdefault(consumer, self.removed)
        first = max(at, self.removed)
        wanted = self.events[first : first + limit]
        assert [(each.name, each.session_handle, each.at) for each in page.events] == [each[:3] for each in wanted]
        assert (page.cursor, page.lost) == (first + len(wanted), first - at)
        self.page[consumer] = page

    @rule(consumer=CONSUMERS, handled=st.integers(0, 5))
    def acknowledge(self, consumer, handled):
        page = self.page.get(consumer, EventPage((), 0))
        cursor = page.cursor_after(min(handled, len(page.events)))
        self.store.acknowledge_events(consumer, cursor)
        if consumer in self.acknowledged:
            self.acknowledged[consumer] = max(self.acknowledged[consumer], cursor)

    @rule(limit=st.integers(1, 8), kept=st.sampled_from([3, 10, 1_000_000]))
    def purge(self, limit, kept):
        page = self.store.read_events("observer", 10_000)  # PostgreSQL numbers events as they are read
        self.store.acknowledge_events("observer", page.cursor)
        self.acknowledged["observer"] = len(self.events)
        read = min(self.acknowledged.values(), default=0)
        gone = self.removed
        while gone < min(len(self.events), self.removed + limit) and (
            gone < max(read, len(self.events) - kept) or self.events[gone][2] <= self.clock.wall() - WEEK
        ):
            gone += 1
        purged = self.store.purge_events(limit, Retention(events=kept))
        assert purged[:2] == PurgedEvents(gone - self.removed, gone - max(self.removed, min(read, gone)))[:2]
        assert purged.more or purged.removed < limit
        self.removed = gone

    # -- time -------------------------------------------------------------------------------------------------------

    @rule(milliseconds=st.sampled_from([1, DAY, WEEK - 1, WEEK]))
    def wait(self, milliseconds):
        self.clock.advance(milliseconds)

    @rule()
    def restart(self):
        self.store.close()
        self.store = self.make(self.clock)
        self.store.open()

    @invariant()
    def each_event_has_an_id_of_its_own(self):
        if hasattr(self, "store") and "a" in self.acknowledged:
            ids = [each.id for each in self.store.read_events("a", 10_000).events]
            assert len(set(ids)) == len(ids)


class OverMemory(OutboxMachine):
    kept = None

    def make(self, clock):
        self.kept = self.kept or MemoryStore(clock)
        return self.kept


class OverSQLite(OutboxMachine):
    folder = None

    def make(self, clock):
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="reseal-"))
        return SQLiteStore(self.folder / "sessions.db", clock)

    def teardown(self):
        super().teardown()
        if self.folder is not None:
            shutil.rmtree(self.folder)


@pytest.mark.parametrize(("machine", "examples"), [(OverMemory, 80), (OverSQLite, 20)])
def test_the_outbox_is_a_list(machine, examples):
    run_state_machine_as_test(machine, settings=settings(PROFILE, max_examples=examples))


def test_the_outbox_of_postgres_is_a_list(postgres_uri):
    class OverPostgres(OutboxMachine):
        def make(self, clock):
            return PostgresStore(postgres_uri, clock=clock)

        @initialize()
        def begin(self):
            with psycopg.connect(postgres_uri, autocommit=True) as connection:
                [(schema,)] = connection.execute("SELECT current_schema()").fetchall()
                connection.execute(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")
            super().begin()

    run_state_machine_as_test(OverPostgres, settings=settings(PROFILE, max_examples=10))
