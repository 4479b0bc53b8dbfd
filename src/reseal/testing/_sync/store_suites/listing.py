# Generated from src/reseal/testing/_async/store_suites/listing.py by tools/unasync.py; edit that file instead.
"""List."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from reseal._sync.ports import Store
from reseal.core.model import Device, EndReason, Scope
from reseal.core.selection import UserPlace
from reseal.testing._sync.store_suites.base import EXAMPLES, JSON_TEXTS, PUBLIC, TEXT, StoreTests, sessions_of
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, USER_IDS, new_session, step


class ListSuite(StoreTests):
    def test_the_live_sessions_of_a_user_are_listed_oldest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("z", "m", "a", "k"):
            store.insert(PUBLIC, new_session(handle))
            clock.advance(10)
        store.rotate(PUBLIC, step("z"))
        assert [r.handle for r in sessions_of(store, PUBLIC, "user")] == ["z", "m", "a", "k"]
        first = (sessions_of(store, PUBLIC, "user"))[0]
        assert first == (store.get(PUBLIC, "z")).record
        assert sessions_of(store, PUBLIC, "nobody") == ()

    def test_a_page_of_a_list_begins_behind_a_place_and_has_so_many_sessions_at_most(
        self, store: Store, clock: ManualClock
    ) -> None:
        for handle in ("d", "b", "c", "a"):
            store.insert(PUBLIC, new_session(handle))
            clock.advance(0 if handle == "b" else 10)
        first = store.list_user(PUBLIC, "user", UserPlace(), 3)
        assert [r.handle for r in first] == ["d", "b", "c"]
        for page in (first[:1], first[:2], first):
            after = UserPlace(page[-1].created_at, page[-1].handle)
            rest = store.list_user(PUBLIC, "user", after, 10)
            assert [r.handle for r in [*page, *rest]] == ["d", "b", "c", "a"]
        store.end(PUBLIC, ["c"], EndReason.REVOKED)
        assert [r.handle for r in store.list_user(PUBLIC, "user", after, 10)] == ["a"]
        assert [r.handle for r in store.list_user(PUBLIC, "user", UserPlace(), 3)] == ["d", "b", "a"]

    def test_ended_and_expired_sessions_are_not_listed(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session("ended"))
        store.insert(PUBLIC, new_session("expired"))
        store.insert(PUBLIC, new_session("absolute", idle_ms=DAY, absolute_ms=HOUR))
        store.insert(PUBLIC, new_session("live", idle_ms=HOUR + 1))
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        clock.advance(HOUR - 1)
        assert {r.handle for r in sessions_of(store, PUBLIC, "user")} == {"expired", "absolute", "live"}
        clock.advance(1)
        assert [r.handle for r in sessions_of(store, PUBLIC, "user")] == ["live"]

    def test_user_ids_that_look_alike_are_different_users(self, store: Store) -> None:
        for n, user_id in enumerate(USER_IDS):
            store.insert(PUBLIC, new_session(f"h-{n}", user_id))
        for n, user_id in enumerate(USER_IDS):
            assert [(r.handle, r.user_id) for r in sessions_of(store, PUBLIC, user_id)] == [(f"h-{n}", user_id)]
        for n, user_id in enumerate(USER_IDS):
            assert store.end_user(PUBLIC, user_id, EndReason.REVOKED) == (f"h-{n}",)

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(user_id=TEXT, handle=TEXT)
    def test_any_user_id_comes_back_byte_for_byte(self, store: Store, user_id: str, handle: str) -> None:
        scope = Scope("public", f"example-{next(EXAMPLES)}")
        store.insert(scope, new_session(handle, user_id))
        found = (store.get(scope, handle)).record
        assert found is not None
        assert (found.user_id.encode(), found.handle.encode()) == (user_id.encode(), handle.encode())
        assert found in sessions_of(store, scope, user_id)

    @pytest.mark.parametrize("text", JSON_TEXTS, ids=lambda text: f"{len(text)} bytes")
    def test_payload_and_session_data_come_back_byte_for_byte(self, store: Store, text: bytes) -> None:
        record = store.insert(PUBLIC, new_session(jwt_payload=text, session_data=text))
        assert record is not None
        assert (record.jwt_payload, record.session_data) == (text, text)
        assert (store.get(PUBLIC, "h")).record == record
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert (rotated.jwt_payload, rotated.session_data) == (text, text)

    def test_where_a_request_came_from_is_kept_or_absent(self, store: Store) -> None:
        for n, device in enumerate((Device(), Device("", ""), Device("2001:db8::1", "Br\u00f6wser '\"\\ \U0001f469"))):
            store.insert(PUBLIC, new_session(f"h-{n}", device=device))
            found = (store.get(PUBLIC, f"h-{n}")).record
            assert found is not None
            assert found.device == device
