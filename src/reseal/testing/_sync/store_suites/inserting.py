# Generated from src/reseal/testing/_async/store_suites/inserting.py by tools/unasync.py; edit that file instead.
"""Insert and get."""

from __future__ import annotations

from functools import partial

import pytest

from reseal._sync.ports import Store
from reseal.core.model import EndReason, Scope, SessionRecord
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, sessions_of
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, hash_of, new_session


class InsertSuite(StoreTests):
    def test_a_session_begins_with_generation_0_at_the_store_s_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        record = store.insert(PUBLIC, new_session(absolute_ms=DAY))
        assert record is not None
        assert record.generation == 0
        assert record.current_hash == hash_of("h/0")
        assert (record.previous_hash, record.successor_sealed, record.confirmed_at) == (None, None, None)
        assert record.created_at == record.rotated_at == record.last_seen_at == clock.wall()
        assert (record.expires_at, record.absolute_expires_at) == (clock.wall() + HOUR, clock.wall() + DAY)
        assert store.get(PUBLIC, "h") == (record, clock.wall())

    def test_the_first_idle_end_is_not_past_the_absolute_end(self, store: Store, clock: ManualClock) -> None:
        record = store.insert(PUBLIC, new_session(idle_ms=DAY, absolute_ms=HOUR))
        assert record is not None
        assert record.expires_at == record.absolute_expires_at == clock.wall() + HOUR

    def test_a_taken_handle_is_not_taken_again(self, store: Store) -> None:
        first = store.insert(PUBLIC, new_session())
        assert store.insert(PUBLIC, new_session(user_id="another", token_hash=hash_of("other"))) is None
        assert (store.get(PUBLIC, "h")).record == first
        assert sessions_of(store, PUBLIC, "another") == ()

    def test_the_handle_of_an_ended_session_stays_taken(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert store.insert(PUBLIC, new_session(user_id="another")) is None

    def test_of_many_who_insert_one_handle_one_does(self, store: Store) -> None:
        given_names = [f"user {n}" for n in range(16)]
        results = together(partial(store.insert, PUBLIC, new_session(user_id=name)) for name in given_names)
        winners = [r for r in results if isinstance(r, SessionRecord)]
        assert len(winners) == 1
        assert results.count(None) == len(results) - 1
        assert (store.get(PUBLIC, "h")).record == winners[0]

    def test_an_absent_session_is_none_with_the_time(self, store: Store, clock: ManualClock) -> None:
        assert store.get(PUBLIC, "absent") == (None, clock.wall())

    def test_ended_and_expired_sessions_are_read_too(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session("ended"))
        store.insert(PUBLIC, new_session("expired"))
        store.end(PUBLIC, ["ended"], EndReason.SIGNED_OUT)
        clock.advance(HOUR + 1)
        ended, expired = store.get(PUBLIC, "ended"), store.get(PUBLIC, "expired")
        assert ended.record is not None
        assert ended.record.end_reason is EndReason.SIGNED_OUT
        assert expired.record is not None
        assert expired.record.expires_at < expired.now == clock.wall()

    def test_several_are_read_at_once_and_each_as_alone(self, store: Store, clock: ManualClock) -> None:
        handles = ["live", "ended", "absent", "", "live"]
        store.insert(PUBLIC, new_session("live"))
        store.insert(PUBLIC, new_session("ended"))
        store.insert(Scope("other", "public"), new_session("absent"))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        clock.advance(1000)
        found = store.get_many(PUBLIC, iter(handles))
        assert found == {handle: store.get(PUBLIC, handle) for handle in set(handles)}
        assert {found_one.now for found_one in found.values()} == {clock.wall()}
        assert store.get_many(PUBLIC, []) == {}

    @pytest.mark.parametrize("text", ["\0", "h\0", "\ud800", "\udc80h"], ids=ascii)
    def test_what_cannot_be_stored_is_nobody_s_handle_and_nobody_s_id(self, store: Store, text: str) -> None:
        store.insert(PUBLIC, new_session())
        now = (store.get(PUBLIC, "h")).now
        assert store.get(PUBLIC, text) == (None, now)
        assert store.get_many(PUBLIC, [text]) == {text: (None, now)}
        assert sessions_of(store, PUBLIC, text) == ()
        assert store.end_user(PUBLIC, text, EndReason.REVOKED) == ()
        assert store.end(PUBLIC, [text], EndReason.REVOKED) == ()
        assert store.end(PUBLIC, [text, "h"], EndReason.REVOKED) == ("h",)
