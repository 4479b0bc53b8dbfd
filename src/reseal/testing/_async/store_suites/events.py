# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""What the event outbox of every store has to pass: one test per promise of ``ports.AsyncEventStore``."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from reseal._async.ports import AsyncStore
from reseal.core.events import Event, EventName
from reseal.core.model import Device, EndReason, Scope, SessionRecord
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Report, Retention
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, MakeStore
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import hash_of, new_session, step

CREATED: Final = (Report(name=EventName.SESSION_CREATED),)
REFRESHED: Final = (Report(name=EventName.SESSION_REFRESHED, device=Device("192.0.2.2", 'A "browser"/\u4e2d')),)
ENDED: Final = (Report(name=EventName.SESSION_REVOKED, reason="revoked"),)
THEFT: Final = (
    Report(
        name=EventName.TOKEN_THEFT,
        reason="previous",
        device=Device("192.0.2.3", "Thief/1"),
        other_device=Device("192.0.2.2", "Browser/1"),
        correlation_id="request 7",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
)
ROLLED_BACK: Final = (Report(name=EventName.STORE_ROLLED_BACK, reason="adopted"), *REFRESHED)


class AsyncEventSuite(AsyncStoreTests):
    # -- writing ----------------------------------------------------------------------------------------------------

    async def test_each_change_writes_its_events_with_session_user_and_time(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        scope = Scope("app", "tenant")
        await store.insert(scope, new_session(user_id="\u00fcser"), CREATED)
        clock.advance(1000)
        rotated = await store.rotate(scope, step(), REFRESHED)
        assert rotated is not None
        await store.replace(scope, rotated, ROLLED_BACK)
        await store.end(scope, ["h"], EndReason.THEFT, THEFT)
        events = await _all(store)
        assert [(each.name, each.reason) for each in events] == [
            ("session_created", None),
            ("session_refreshed", None),
            ("store_rolled_back", "adopted"),
            ("session_refreshed", None),
            ("token_theft", "previous"),
        ]
        assert {(each.scope, each.session_handle, each.user_id) for each in events} == {(scope, "h", "\u00fcser")}
        assert [clock.wall() - each.at for each in events] == [1000, 0, 0, 0, 0]
        assert events[1].device == REFRESHED[0].device
        assert events[4].device == THEFT[0].device
        assert events[4].other_device == THEFT[0].other_device
        assert [each.traceparent for each in events] == [None] * 4 + [THEFT[0].traceparent]
        assert events[4].correlation_id == "request 7"
        assert len({each.id for each in events}) == 5

    async def test_without_reports_nothing_is_written(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session())
        record = await store.rotate(PUBLIC, step())
        assert record is not None
        await store.replace(PUBLIC, record)
        await store.end(PUBLIC, ["h"], EndReason.REVOKED)
        await store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)
        assert await store.read_events("reader", 10) == EventPage((), 0)

    async def test_each_ended_session_has_its_own_event(self, store: AsyncStore) -> None:
        for name in ("a", "b", "c", "kept"):
            await store.insert(PUBLIC, new_session(name))
        await store.insert(PUBLIC, new_session("other", user_id="another"))
        await store.end(PUBLIC, ["a", "absent", "a"], EndReason.REVOKED, ENDED)
        await store.end_user(PUBLIC, "user", EndReason.USER_REVOKED, "kept", ENDED)
        await store.end(PUBLIC, ["a", "other"], EndReason.REVOKED, ENDED)
        events = await _all(store)
        assert sorted((each.session_handle, each.user_id) for each in events) == [
            ("a", "user"),
            ("b", "user"),
            ("c", "user"),
            ("other", "another"),
        ]

    async def test_what_changes_nothing_writes_nothing(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        assert await store.rotate(PUBLIC, step())
        assert await store.insert(PUBLIC, new_session(), CREATED) is None
        assert await store.rotate(PUBLIC, step(), REFRESHED) is None
        assert await store.rotate(PUBLIC, step("absent"), REFRESHED) is None
        assert await store.replace(PUBLIC, record, ROLLED_BACK) is False
        assert await store.end(PUBLIC, ["absent"], EndReason.REVOKED, ENDED) == ()
        assert await store.end_user(PUBLIC, "nobody", EndReason.REVOKED, None, ENDED) == ()
        assert await _all(store) == []

    @pytest.mark.parametrize("callers", [2, 40])
    async def test_of_those_who_race_only_the_winner_writes_an_event(self, store: AsyncStore, callers: int) -> None:
        await store.insert(PUBLIC, new_session())
        rotations = [step(successor_sealed=str(n).encode()) for n in range(callers)]
        await together(partial(store.rotate, PUBLIC, rotation, REFRESHED) for rotation in rotations)
        await together(partial(store.end, PUBLIC, ["h"], EndReason.THEFT, THEFT) for _ in range(callers))
        assert [each.name for each in await _all(store)] == ["session_refreshed", "token_theft"]

    async def test_events_go_with_the_steps_of_a_batch_to_which_they_belong(self, store: AsyncStore) -> None:
        names = [f"h{n}" for n in range(24)]
        begun = await together(
            partial(store.insert, PUBLIC, new_session(name, f"user of {name}"), CREATED if n % 2 else ())
            for n, name in enumerate(names)
        )
        assert all(isinstance(each, SessionRecord) for each in begun)
        rotated = await together(
            partial(store.rotate, PUBLIC, step(name, generation=int(n % 4 == 3)), REFRESHED if n % 3 else ())
            for n, name in enumerate(names)
        )
        assert [each is None for each in rotated] == [n % 4 == 3 for n in range(24)]
        events = await _all(store)
        assert {(each.session_handle, each.user_id) for each in events if each.name == "session_created"} == {
            (name, f"user of {name}") for n, name in enumerate(names) if n % 2
        }
        assert sorted(str(each.session_handle) for each in events if each.name == "session_refreshed") == sorted(
            name for n, name in enumerate(names) if n % 3 and n % 4 != 3
        )

    async def test_the_same_handle_in_two_tenants_is_reported_for_the_one(self, store: AsyncStore) -> None:
        scopes = [Scope("public", name) for name in ("a", "b")]
        await together(
            partial(store.insert, scope, new_session(), CREATED if scope.tenant_id == "b" else ()) for scope in scopes
        )
        assert [each.scope for each in await _all(store)] == [scopes[1]]

    @pytest.mark.parametrize("text", ["\0", "\ud800", "\u2028", '"}], \\u0000 {', "\x1b[31m"], ids=ascii)
    async def test_evidence_of_any_text_stands_in_the_way_of_no_change(self, store: AsyncStore, text: str) -> None:
        strange = Report(name=EventName.SESSION_CREATED, device=Device("ip", f"a{text}z"), correlation_id=text)
        assert await store.insert(PUBLIC, new_session(), (strange,))
        assert await store.rotate(PUBLIC, step(), (strange,))
        user_agents = {each.device.user_agent for each in await _all(store)}
        assert len(user_agents) == 1
        user_agent = user_agents.pop()
        assert user_agent is not None
        assert user_agent[0] + user_agent[-1] == "az"
        assert user_agent.isprintable()

    async def test_an_event_without_a_change_is_written_once(self, store: AsyncStore, clock: ManualClock) -> None:
        occurrence = Occurrence(Scope("app", "tenant"), "h", "user", THEFT[0], bytes(range(16)))
        results = await together(partial(store.append_event, occurrence) for _ in range(8))
        assert sorted(map(bool, results)) == [False] * 7 + [True]
        assert await store.append_event(occurrence._replace(id=bytes(16), user_id=None))
        [first, second] = await _all(store)
        assert first.id == bytes(range(16)).hex()
        assert (first.scope, first.session_handle, first.user_id, first.at) == (
            Scope("app", "tenant"),
            "h",
            "user",
            clock.wall(),
        )
        assert second.user_id is None

    # -- reading ----------------------------------------------------------------------------------------------------

    async def test_the_same_events_come_until_they_are_acknowledged(self, store: AsyncStore) -> None:
        ids = await _some(store, 5)
        first = await store.read_events("reader", 3)
        assert await store.read_events("reader", 3) == first
        assert [each.id for each in first.events] == ids[:3]
        await store.acknowledge_events("reader", first.cursor_after(2))
        second = await store.read_events("reader", 3)
        assert [each.id for each in second.events] == ids[2:]
        await store.acknowledge_events("reader", second.cursor)
        assert await store.read_events("reader", 3) == EventPage((), second.cursor)

    async def test_acknowledging_again_or_something_earlier_changes_nothing(self, store: AsyncStore) -> None:
        await _some(store, 5)
        page = await store.read_events("reader", 4)
        for cursor in (page.cursor, page.cursor, page.cursor_after(1), 0, -1):
            await store.acknowledge_events("reader", cursor)
            assert len((await store.read_events("reader", 10)).events) == 1

    async def test_what_was_never_given_out_cannot_be_acknowledged(self, store: AsyncStore) -> None:
        await _some(store, 2)
        await store.read_events("reader", 1)
        await store.acknowledge_events("reader", 10**9)
        await store.acknowledge_events("stranger", 10**9)
        ids = await _some(store, 2, "later")
        assert [each.id for each in (await store.read_events("reader", 10)).events] == ids[-2:]
        assert len((await store.read_events("stranger", 10)).events) == 4

    async def test_consumers_are_independent(self, store: AsyncStore) -> None:
        ids = await _some(store, 4)
        fast = await store.read_events("fast", 10)
        await store.read_events("slow", 1)
        await store.acknowledge_events("fast", fast.cursor)
        assert (await store.read_events("fast", 10)).events == ()
        assert [each.id for each in (await store.read_events("slow", 10)).events] == ids
        assert [each.id for each in (await store.read_events("new", 10)).events] == ids

    async def test_events_and_consumers_are_there_after_a_restart(
        self, make_store: MakeStore, clock: ManualClock
    ) -> None:
        store = make_store(clock)
        await store.open()
        ids = await _some(store, 3)
        page = await store.read_events("reader", 1)
        await store.acknowledge_events("reader", page.cursor)
        await store.close()
        again = make_store(clock)
        await again.open()
        assert [each.id for each in (await again.read_events("reader", 10)).events] == ids[1:]
        await again.close()

    async def test_no_event_is_missed_while_others_write(self, make_store: MakeStore, clock: ManualClock) -> None:
        stores = [make_store(clock) for _ in range(3)]
        for each in stores:
            await each.open()
        seen: list[Event] = []

        async def use(n: int) -> None:
            if n == 6:
                await read()
                return
            for m in range(20):
                await stores[n % 3].insert(PUBLIC, new_session(f"h{n}-{m}"), CREATED)

        async def read() -> None:
            for _ in range(30):
                page = await stores[0].read_events("reader", 7)
                seen.extend(page.events)
                assert page.lost == 0
                await stores[0].acknowledge_events("reader", page.cursor)

        assert await together(partial(use, n) for n in range(7)) == [None] * 7
        seen += await _all(stores[1], "reader")
        assert sorted(str(each.session_handle) for each in seen) == sorted(
            f"h{n}-{m}" for n in range(6) for m in range(20)
        )
        for each in stores:
            await each.close()

    # -- purging ----------------------------------------------------------------------------------------------------

    async def test_what_every_consumer_has_acknowledged_is_removed(self, store: AsyncStore) -> None:
        ids = await _some(store, 6)
        fast, slow = await store.read_events("fast", 6), await store.read_events("slow", 6)
        await store.acknowledge_events("fast", fast.cursor)
        assert await store.purge_events(10) == PurgedEvents(0)
        await store.acknowledge_events("slow", slow.cursor_after(4))
        assert await store.purge_events(3) == PurgedEvents(3, 0, more=True)
        assert await store.purge_events(3) == PurgedEvents(1)
        assert await store.purge_events(3) == PurgedEvents(0)
        page = await store.read_events("slow", 6)
        assert [each.id for each in page.events] == ids[4:]
        assert page.lost == 0

    async def test_old_events_are_removed_unread_and_the_consumer_learns_how_many(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await _some(store, 3)
        first = await store.read_events("reader", 1)
        await store.acknowledge_events("reader", first.cursor)
        clock.advance(RETENTION.ms)
        ids = await _some(store, 2, "young")
        assert await store.purge_events(10) == PurgedEvents(3, 2)
        page = await store.read_events("reader", 10)
        assert [each.id for each in page.events] == ids[-2:]
        assert page.lost == 2
        assert await store.read_events("reader", 10) == page
        assert (await store.read_events("new", 10)).lost == 0
        await store.acknowledge_events("reader", page.cursor)
        assert (await store.read_events("reader", 10)).lost == 0

    async def test_a_consumer_that_lost_everything_learns_so_too(self, store: AsyncStore, clock: ManualClock) -> None:
        await store.read_events("reader", 1)
        await _some(store, 3)
        clock.advance(RETENTION.ms)
        assert await store.purge_events(10) == PurgedEvents(3, 3)
        page = await store.read_events("reader", 10)
        assert page == EventPage((), page.cursor, 3)
        await store.acknowledge_events("reader", page.cursor)
        assert await store.read_events("reader", 10) == EventPage((), page.cursor)

    async def test_no_more_than_so_many_are_kept(self, store: AsyncStore) -> None:
        ids = await _some(store, 6)
        assert await store.purge_events(10, Retention(events=2)) == PurgedEvents(4, 4)
        page = await store.read_events("reader", 10)
        assert [each.id for each in page.events] == ids[4:]
        assert page.lost == 0

    async def test_without_a_consumer_events_are_kept_for_the_first_one(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        ids = await _some(store, 3)
        clock.advance(RETENTION.ms - 1)
        assert await store.purge_events(10) == PurgedEvents(0)
        assert [each.id for each in (await store.read_events("reader", 10)).events] == ids

    async def test_purging_is_bounded(self, store: AsyncStore, clock: ManualClock) -> None:
        await _some(store, 7)
        clock.advance(RETENTION.ms)
        steps = [await store.purge_events(3) for _ in range(4)]
        assert [each.removed for each in steps] == [3, 3, 1, 0]
        assert [each.more for each in steps][:2] == [True, True]
        assert not steps[-1].more

    async def test_events_of_a_clock_that_was_fast_do_not_stay_longer(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await _some(store, 2)
        clock.advance(10 * RETENTION.ms)
        await _some(store, 1, "fast")
        clock.jump(-10 * RETENTION.ms)
        await store.repair_clock()
        clock.advance(RETENTION.ms)
        assert (await store.purge_events(10)).removed == 3


async def _some(store: AsyncStore, number: int, prefix: str = "h") -> list[str]:
    """Write events, one after the other; returns their ids."""
    ids = [hash_of(f"{prefix}{n}")[:16] for n in range(number)]
    for event_id in ids:
        await store.append_event(Occurrence(PUBLIC, "h", "user", ENDED[0], event_id))
    return [each.hex() for each in ids]


async def _all(store: AsyncStore, consumer: str = "all") -> list[Event]:
    """Read and acknowledge all events, page by page."""
    events: list[Event] = []
    while (page := await store.read_events(consumer, 5)).events:
        events += page.events
        await store.acknowledge_events(consumer, page.cursor)
    return events
