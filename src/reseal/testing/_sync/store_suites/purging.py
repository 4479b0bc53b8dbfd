# Generated from src/reseal/testing/_async/store_suites/purging.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Purge."""

from __future__ import annotations

from reseal._sync.ports import Store
from reseal.core.model import EndReason, Scope
from reseal.core.purging import KEPT, LOOK_AGAIN, Backlog, Purged
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, new_session, step


class PurgeSuite(StoreTests):
    def test_small_steps_look_at_all_that_is_due_and_remove_what_is_long_past_its_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        for n in range(30):
            store.insert(PUBLIC, new_session(f"h-{n}", idle_ms=HOUR if n % 3 else 30 * DAY))
        store.end(PUBLIC, ["h-0", "h-1"], EndReason.REVOKED)
        clock.advance(HOUR + KEPT)
        store.insert(PUBLIC, new_session("young", idle_ms=HOUR))
        assert [store.purge(4) for _ in range(6)] == [Purged(4, 4)] * 5 + [Purged(0, 0)]
        for n in range(30):
            assert ((store.get(PUBLIC, f"h-{n}")).record is None) is bool(n % 3)
        assert (store.get(PUBLIC, "young")).record is not None

    def test_an_expired_session_is_kept_for_a_while_to_tell_why_it_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR + KEPT - 1)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(1)
        assert store.purge(10) == Purged(1, 1)
        assert (store.get(PUBLIC, "h")).record is None

    def test_ended_and_expired_sessions_are_kept_as_long_as_the_caller_says(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("expired", "ended", "ended late", "live"):
            store.insert(PUBLIC, new_session(handle, idle_ms=HOUR if handle == "expired" else 300 * DAY))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        clock.advance(LOOK_AGAIN + KEPT)
        store.end(PUBLIC, ["ended late"], EndReason.REVOKED)
        kept = LOOK_AGAIN + KEPT + 1
        assert store.purge(10, kept) == Purged(4, 0)
        assert store.purge(10, kept) == Purged(0, 0)
        clock.advance(1)
        assert store.purge(10, kept) == Purged(1, 1)
        clock.advance(HOUR)
        assert store.purge(10, kept) == Purged(1, 1)
        clock.advance(LOOK_AGAIN + kept)
        assert store.purge(10, kept) == Purged(2, 1)
        left = [handle for handle in ("ended", "ended late", "live") if (store.get(PUBLIC, handle)).record]
        assert left == ["live"]

    def test_where_nothing_is_kept_a_session_goes_at_its_end(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session("live", idle_ms=30 * DAY))
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR + KEPT)
        assert store.purge(10, 0) == Purged(1, 1)
        clock.advance(LOOK_AGAIN)
        assert store.purge(10, 0) == Purged(1, 0)

    def test_what_is_due_goes_whatever_comes_meanwhile(self, store: Store, clock: ManualClock) -> None:
        for n in range(20):
            store.insert(PUBLIC, new_session(f"old-{n}"))
        clock.advance(HOUR + KEPT)
        for n in range(5):
            for m in range(6):
                store.insert(PUBLIC, new_session(f"new-{n}-{m}"))
            assert (store.purge(4)).removed == 4
        assert store.backlog() == Backlog(0, 0)

    def test_a_session_that_was_refreshed_is_put_off_until_its_new_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session())
        clock.advance(HOUR - 1)
        assert store.rotate(PUBLIC, step()) is not None
        clock.advance(KEPT + 1)
        assert store.purge(10) == Purged(1, 0)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(HOUR - 2)
        assert store.purge(10) == Purged(0, 0)
        clock.advance(1)
        assert store.purge(10) == Purged(1, 1)

    def test_an_end_that_was_moved_nearer_is_noticed_within_a_week(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session(idle_ms=300 * DAY))
        store.rotate(PUBLIC, step(idle_ms=HOUR))
        clock.advance(LOOK_AGAIN + KEPT)
        assert store.purge(10) == Purged(1, 1)
        store.insert(PUBLIC, new_session("long", idle_ms=300 * DAY))
        for _ in range(4):
            clock.advance(LOOK_AGAIN + KEPT)
            assert store.purge(10) == Purged(1, 0)

    def test_the_backlog_says_how_many_are_due_and_for_how_long(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert store.backlog() == Backlog(0, 0)
        for n in range(3):
            store.insert(PUBLIC, new_session(f"h-{n}"))
            clock.advance(1000)
        assert store.backlog() == Backlog(0, 0)
        clock.advance(HOUR + KEPT - 2000)
        assert store.backlog() == Backlog(2, 1000)
        store.purge(1)
        assert store.backlog() == Backlog(1, 0)
        store.purge(9)
        assert store.backlog() == Backlog(0, 0)

    def test_sessions_count_as_live_until_they_end_or_expire(self, store: Store, clock: ManualClock) -> None:
        assert store.live_sessions() == 0
        for n in range(3):
            store.insert(PUBLIC, new_session(f"h-{n}", idle_ms=HOUR))
        store.put_tenant(Scope("app", "one"), b"{}")
        store.insert(Scope("app", "one"), new_session(idle_ms=2 * HOUR))
        assert store.live_sessions() == 4
        store.end(PUBLIC, ["h-0"], EndReason.REVOKED)
        assert store.live_sessions() == 3
        clock.advance(HOUR)
        assert store.live_sessions() == 1

    def test_purging_an_empty_store_removes_nothing(self, store: Store) -> None:
        assert [store.purge(1) for _ in range(3)] == [Purged(0, 0)] * 3

    def test_sessions_that_went_with_their_tenant_are_not_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.put_tenant(Scope("app", "one"), b"{}")
        store.insert(Scope("app", "one"), new_session())
        store.remove_tenant(Scope("app", "one"))
        clock.advance(DAY + KEPT)
        assert (store.purge(10)).removed == 0
        assert store.backlog() == Backlog(0, 0)
