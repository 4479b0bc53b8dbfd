# Generated from src/reseal/testing/_async/store_suites/devices.py by tools/unasync.py; edit that file instead.
"""What the list of devices needs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import Report
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, sessions_of
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, new_session, step

ABOUT = '{"user_agent":"Bröwser/1 \\"\\\\","ip":"192.0.2.0/24"}'
WEEK = 7 * DAY


def ended_of(store: Store, user_id: str = "user", within: int = WEEK, limit: int = 10) -> list[str]:
    return [record.handle for record in store.list_ended(PUBLIC, user_id, within, limit)]


class DeviceSuite(StoreTests):
    @pytest.mark.parametrize("about", [None, ABOUT])
    def test_what_a_session_began_with_stays_at_a_refresh(self, store: Store, about: str | None) -> None:
        inserted = store.insert(PUBLIC, new_session(about=about))
        assert inserted is not None
        assert inserted.about == about
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert rotated.about == about
        assert sessions_of(store, PUBLIC, "user") == (rotated,)

    def test_what_is_shown_of_a_session_can_be_replaced(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert store.replace(PUBLIC, replace(record, about=ABOUT))
        read = (store.get(PUBLIC, "h")).record
        assert read is not None
        assert read.about == ABOUT

    @pytest.mark.parametrize("note", [None, "signed in on another phone", "ended by Zoë: 'ticket 4711'"])
    def test_the_words_of_whoever_ended_a_session_are_kept_with_it(
        self, store: Store, note: str | None
    ) -> None:
        for handle in ("a", "b"):
            store.insert(PUBLIC, new_session(handle))
        assert store.end(PUBLIC, ["a"], EndReason.REVOKED, (), note) == ("a",)
        assert store.end(PUBLIC, ["b"], EndReason.USER_REVOKED, (), note) == ("b",)
        assert store.end(PUBLIC, ["a", "b"], EndReason.REVOKED, (), "too late") == ()
        for handle in ("a", "b"):
            record = (store.get(PUBLIC, handle)).record
            assert record is not None
            assert record.end_note == note

    def test_sessions_that_ended_lately_are_listed_the_latest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.insert(PUBLIC, new_session("expires", idle_ms=2 * HOUR))
        for handle in ("first", "second", "other's", "live"):
            store.insert(PUBLIC, new_session(handle, "other" if handle == "other's" else "user", idle_ms=DAY))
        clock.advance(HOUR)
        store.end(PUBLIC, ["first", "other's"], EndReason.REVOKED)
        clock.advance(2 * HOUR)
        store.end(PUBLIC, ["second"], EndReason.SIGNED_OUT)
        assert ended_of(store) == ["second", "expires", "first"]
        assert ended_of(store, limit=2) == ["second", "expires"]
        assert ended_of(store, "other") == ["other's"]
        assert ended_of(store, "nobody") == []
        [second] = store.list_ended(PUBLIC, "user", WEEK, 1)
        assert second == (store.get(PUBLIC, "second")).record
        assert store.list_ended(Scope("public", "other"), "user", WEEK, 10) == ()

    def test_what_ended_longer_ago_is_not_listed(self, store: Store, clock: ManualClock) -> None:
        for handle in ("ended", "expires"):
            store.insert(PUBLIC, new_session(handle, idle_ms=DAY if handle == "ended" else HOUR))
        clock.advance(HOUR)
        store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        assert ended_of(store, within=HOUR) == ["ended", "expires"]
        clock.advance(HOUR - 1)
        assert ended_of(store, within=HOUR) == ["ended", "expires"]
        clock.advance(1)
        assert ended_of(store, within=HOUR) == []
        assert ended_of(store, within=0) == []

    @pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
    def test_of_a_user_that_cannot_be_stored_nothing_has_ended(self, store: Store, text: str) -> None:
        assert ended_of(store, text) == []

    def test_the_reason_of_a_caller_is_in_the_event_that_reports_the_end(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        note = 'ended by Zoë: "ticket 4711"'
        report = Report(name=EventName.SESSION_REVOKED, reason="revoked", note=note)
        store.end(PUBLIC, ["h"], EndReason.REVOKED, (report,), note)
        [event] = (store.read_events("reader", 10)).events
        assert (event.session_handle, event.reason, event.note) == ("h", "revoked", note)
