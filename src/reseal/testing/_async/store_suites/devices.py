"""What the list of devices needs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import Report
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, sessions_of
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR, new_session, step

ABOUT = '{"user_agent":"Bröwser/1 \\"\\\\","ip":"192.0.2.0/24"}'
WEEK = 7 * DAY


async def ended_of(store: AsyncStore, user_id: str = "user", within: int = WEEK, limit: int = 10) -> list[str]:
    return [record.handle for record in await store.list_ended(PUBLIC, user_id, within, limit)]


class AsyncDeviceSuite(AsyncStoreTests):
    @pytest.mark.parametrize("about", [None, ABOUT])
    async def test_what_a_session_began_with_stays_at_a_refresh(self, store: AsyncStore, about: str | None) -> None:
        inserted = await store.insert(PUBLIC, new_session(about=about))
        assert inserted is not None
        assert inserted.about == about
        rotated = await store.rotate(PUBLIC, step())
        assert rotated is not None
        assert rotated.about == about
        assert await sessions_of(store, PUBLIC, "user") == (rotated,)

    async def test_what_is_shown_of_a_session_can_be_replaced(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        assert await store.replace(PUBLIC, replace(record, about=ABOUT))
        read = (await store.get(PUBLIC, "h")).record
        assert read is not None
        assert read.about == ABOUT

    @pytest.mark.parametrize("note", [None, "signed in on another phone", "ended by Zoë: 'ticket 4711'"])
    async def test_the_words_of_whoever_ended_a_session_are_kept_with_it(
        self, store: AsyncStore, note: str | None
    ) -> None:
        for handle in ("a", "b"):
            await store.insert(PUBLIC, new_session(handle))
        assert await store.end(PUBLIC, ["a"], EndReason.REVOKED, (), note) == ("a",)
        assert await store.end(PUBLIC, ["b"], EndReason.USER_REVOKED, (), note) == ("b",)
        assert await store.end(PUBLIC, ["a", "b"], EndReason.REVOKED, (), "too late") == ()
        for handle in ("a", "b"):
            record = (await store.get(PUBLIC, handle)).record
            assert record is not None
            assert record.end_note == note

    async def test_sessions_that_ended_lately_are_listed_the_latest_first(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session("expires", idle_ms=2 * HOUR))
        for handle in ("first", "second", "other's", "live"):
            await store.insert(PUBLIC, new_session(handle, "other" if handle == "other's" else "user", idle_ms=DAY))
        clock.advance(HOUR)
        await store.end(PUBLIC, ["first", "other's"], EndReason.REVOKED)
        clock.advance(2 * HOUR)
        await store.end(PUBLIC, ["second"], EndReason.SIGNED_OUT)
        assert await ended_of(store) == ["second", "expires", "first"]
        assert await ended_of(store, limit=2) == ["second", "expires"]
        assert await ended_of(store, "other") == ["other's"]
        assert await ended_of(store, "nobody") == []
        [second] = await store.list_ended(PUBLIC, "user", WEEK, 1)
        assert second == (await store.get(PUBLIC, "second")).record
        assert await store.list_ended(Scope("public", "other"), "user", WEEK, 10) == ()

    async def test_what_ended_longer_ago_is_not_listed(self, store: AsyncStore, clock: ManualClock) -> None:
        for handle in ("ended", "expires"):
            await store.insert(PUBLIC, new_session(handle, idle_ms=DAY if handle == "ended" else HOUR))
        clock.advance(HOUR)
        await store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        assert await ended_of(store, within=HOUR) == ["ended", "expires"]
        clock.advance(HOUR - 1)
        assert await ended_of(store, within=HOUR) == ["ended", "expires"]
        clock.advance(1)
        assert await ended_of(store, within=HOUR) == []
        assert await ended_of(store, within=0) == []

    @pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
    async def test_of_a_user_that_cannot_be_stored_nothing_has_ended(self, store: AsyncStore, text: str) -> None:
        assert await ended_of(store, text) == []

    async def test_the_reason_of_a_caller_is_in_the_event_that_reports_the_end(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session())
        note = 'ended by Zoë: "ticket 4711"'
        report = Report(name=EventName.SESSION_REVOKED, reason="revoked", note=note)
        await store.end(PUBLIC, ["h"], EndReason.REVOKED, (report,), note)
        [event] = (await store.read_events("reader", 10)).events
        assert (event.session_handle, event.reason, event.note) == ("h", "revoked", note)
