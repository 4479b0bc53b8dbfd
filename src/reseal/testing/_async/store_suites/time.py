# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Time and durability."""

from __future__ import annotations

import pytest

from reseal._async.ports import AsyncStore
from reseal.clock import BELIEVED_AFTER, BELIEVED_AHEAD
from reseal.core.model import EndReason
from reseal.core.purging import Purged
from reseal.core.store_time import Repaired, Times
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, MakeStore, sessions_of, tenants_of
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, new_session, step, stored_key


class AsyncTimeSuite(AsyncStoreTests):
    async def test_the_store_s_time_does_not_go_back_with_the_wall_s(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session())
        before = (await store.get(PUBLIC, "h")).now
        clock.jump(-HOUR)
        assert (await store.get(PUBLIC, "h")).now == before
        clock.advance(1000)
        assert (await store.get(PUBLIC, "h")).now == before + 1000
        rotated = await store.rotate(PUBLIC, step())
        assert rotated is not None
        assert (rotated.rotated_at, rotated.expires_at) == (before + 1000, before + 1000 + HOUR)
        clock.advance(HOUR)
        assert (await store.get(PUBLIC, "h")).now == before + 1000 + HOUR
        clock.jump(HOUR + BELIEVED_AHEAD)
        assert (await store.get(PUBLIC, "h")).now == clock.wall()

    @pytest.mark.parametrize("jump", [BELIEVED_AHEAD + 1, 2 * HOUR, 3650 * DAY])
    async def test_a_clock_that_is_fast_for_a_moment_ends_nothing_and_dates_nothing(
        self, store: AsyncStore, make_store: MakeStore, clock: ManualClock, jump: int
    ) -> None:
        await store.insert(PUBLIC, new_session(absolute_ms=DAY))
        clock.advance(HOUR // 2)
        right = (await store.get(PUBLIC, "h")).now
        clock.jump(jump)
        other = make_store(clock)
        await other.open()
        for n, each in enumerate((store, other)):
            record = await each.rotate(PUBLIC, step(generation=n))
            assert record is not None
            assert record.rotated_at == right
            begun = await each.insert(PUBLIC, new_session(f"new {n}"))
            assert begun is not None
            assert begun.created_at == right
            assert await each.purge(10) == Purged(0, 0)
            assert await each.times() == Times(right, right + jump)
            assert await each.claim(PUBLIC, f"claim {n}", right + 1000)
        if other is not store:
            await other.close()
        clock.advance(1000)
        assert (await store.get(PUBLIC, "h")).now == right + 1000
        clock.jump(-jump)
        assert await store.times() == Times(right + 1000, right + 1000)
        assert len(await sessions_of(store, PUBLIC, "user")) == 3

    async def test_nor_does_one_that_is_fast_at_a_restart(self, make_store: MakeStore, clock: ManualClock) -> None:
        store = make_store(clock)
        await store.open()
        await store.insert(PUBLIC, new_session())
        await store.close()
        for generation in range(2):
            clock.advance(HOUR // 4)
            right = clock.wall()
            clock.jump(DAY)
            store = make_store(clock)
            await store.open()
            record = await store.rotate(PUBLIC, step(generation=generation))
            assert record is not None
            assert record.rotated_at == right
            await store.close()
            clock.jump(-DAY)
        store = make_store(clock)
        await store.open()
        assert await store.times() == Times(clock.wall(), clock.wall())
        assert await store.rotate(PUBLIC, step(generation=2)) is not None
        await store.close()

    async def test_a_jump_that_stands_for_a_day_is_believed(self, store: AsyncStore, clock: ManualClock) -> None:
        await store.insert(PUBLIC, new_session(idle_ms=10 * DAY))
        clock.jump(DAY)
        await store.times()
        await store.insert(PUBLIC, new_session("seen"))
        before = (await store.get(PUBLIC, "h")).now
        clock.advance(BELIEVED_AFTER - 1)
        assert (await store.get(PUBLIC, "h")).now == before + BELIEVED_AFTER - 1
        clock.advance(1)
        for _ in range(2):
            found = await store.get(PUBLIC, "h")
        assert found.now == clock.wall()

    async def test_a_clock_that_was_fast_for_long_is_repaired_for_everybody(
        self, store: AsyncStore, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        await other.open()
        await store.insert(PUBLIC, new_session("old", idle_ms=3 * DAY))
        await store.insert(PUBLIC, new_session("refreshed", idle_ms=500 * DAY, absolute_ms=600 * DAY))
        await store.insert(PUBLIC, new_session("ended", idle_ms=500 * DAY))
        before = (await store.get(PUBLIC, "old")).record
        clock.jump(365 * DAY)
        for _ in range(2):
            for each in (store, other):
                await each.get(PUBLIC, "old")
            clock.advance(BELIEVED_AFTER)
        await store.get(PUBLIC, "old")
        assert (await store.times()).now == clock.wall()
        await store.insert(PUBLIC, new_session("new", absolute_ms=2 * HOUR))
        assert await other.rotate(PUBLIC, step("refreshed", idle_ms=DAY)) is not None
        assert await store.end(PUBLIC, ["ended"], EndReason.REVOKED) == ("ended",)
        await store.add_key("public", stored_key("early", created_at=clock.wall(), signs_from=clock.wall() + 1000))
        clock.jump(-365 * DAY)
        assert (await other.times()).now == clock.wall() + 365 * DAY
        now = clock.wall()
        assert await store.repair_clock() == Repaired(now + 365 * DAY, now, sessions=3, keys=1)
        await other.insert(PUBLIC, new_session("noticed"))
        for each in (store, other):
            assert await each.times() == Times(now, now)
            assert (await each.get(PUBLIC, "old")).record == before
            new, refreshed, ended = [(await each.get(PUBLIC, h)).record for h in ("new", "refreshed", "ended")]
            assert new is not None
            assert (new.created_at, new.expires_at, new.absolute_expires_at) == (now, now + HOUR, now + 2 * HOUR)
            assert refreshed is not None
            assert (refreshed.rotated_at, refreshed.expires_at) == (now, now + DAY)
            assert ended is not None
            assert (ended.ended_at, ended.end_reason) == (now, EndReason.REVOKED)
        assert await other.keys("public") == (stored_key("early", created_at=now, signs_from=now),)
        clock.jump(-HOUR)
        assert (await store.times()).now == now
        clock.advance(HOUR)
        assert await store.rotate(PUBLIC, step("new")) is None
        assert await store.rotate(PUBLIC, step("old")) is not None
        if other is not store:
            await other.close()

    async def test_repairing_a_clock_that_is_right_changes_nothing(self, store: AsyncStore, clock: ManualClock) -> None:
        record = await store.insert(PUBLIC, new_session())
        clock.advance(1000)
        assert await store.repair_clock() == Repaired(clock.wall(), clock.wall(), 0, 0)
        assert await store.get(PUBLIC, "h") == (record, clock.wall())

    async def test_a_jump_of_a_clock_that_is_right_can_be_believed_at_once(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session())
        clock.jump(DAY)
        assert (await store.get(PUBLIC, "h")).now == clock.wall() - DAY
        assert await store.repair_clock() == Repaired(clock.wall() - DAY, clock.wall(), 0, 0)
        assert (await store.get(PUBLIC, "h")).now == clock.wall()
        assert await store.rotate(PUBLIC, step()) is None

    async def test_a_clock_moved_back_does_not_revive_an_expired_session(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session())
        clock.advance(HOUR)
        assert await store.rotate(PUBLIC, step()) is None
        clock.jump(-DAY)
        assert await store.rotate(PUBLIC, step()) is None
        assert await sessions_of(store, PUBLIC, "user") == ()

    @pytest.mark.parametrize("last_call", ["rotate", "refused rotate", "end", "replace", "get"])
    async def test_the_time_does_not_go_back_over_a_restart(
        self, make_store: MakeStore, clock: ManualClock, last_call: str
    ) -> None:
        store = make_store(clock)
        await store.open()
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        clock.advance(HOUR if last_call == "refused rotate" else HOUR - 1)
        match last_call:
            case "rotate" | "refused rotate":
                await store.rotate(PUBLIC, step())
            case "end":
                await store.end(PUBLIC, ["h"], EndReason.REVOKED)
            case "replace":
                await store.replace(PUBLIC, record)
        before = (await store.get(PUBLIC, "h")).now
        await store.close()
        clock.jump(-HOUR)
        store = make_store(clock)
        await store.open()
        assert (await store.get(PUBLIC, "h")).now >= before
        await store.close()

    async def test_acknowledged_writes_stay_when_the_store_is_closed(
        self, make_store: MakeStore, clock: ManualClock
    ) -> None:
        store = make_store(clock)
        await store.open()
        await store.insert(PUBLIC, new_session("rotated"))
        await store.insert(PUBLIC, new_session("ended"))
        rotated = await store.rotate(PUBLIC, step("rotated"))
        await store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        await store.add_key("public", stored_key())
        await store.put_tenant(PUBLIC, b'{"a":1}')
        await store.close()
        again = make_store(clock)
        await again.open()
        assert (await again.get(PUBLIC, "rotated")).record == rotated
        ended = (await again.get(PUBLIC, "ended")).record
        assert ended is not None
        assert ended.end_reason is EndReason.REVOKED
        assert await again.keys("public") == (stored_key(),)
        assert await tenants_of(again) == [(PUBLIC, b'{"a":1}')]
        await again.close()
