# Generated from src/reseal/testing/_async/store_suites/kills.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""What the kill list of every store has to pass: one test per promise of ``ports.KillListStore``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import pytest
from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.kill_list import Kill, KillCursor, KillEntry, KillList, KillPage, Subject
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import RETENTION, Report
from reseal.core.providers import ProviderSession, logout
from reseal.core.rotation import ended
from reseal.core.session_policy import Ending, SessionLimit
from reseal.devices import about
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, MakeStore
from reseal.testing._sync.store_suites.events import ENDED
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session, step

KILLED: Final = (Kill(60_000),)
ISSUER: Final = "https://login.example"


def _by_end(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    store.end(PUBLIC, ["h"], EndReason.REVOKED, reports)


def _by_end_of_user(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    store.end_user(PUBLIC, "user", EndReason.USER_REVOKED, None, reports)


def _by_replacement(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    record, now = store.get(PUBLIC, "h")
    assert record is not None
    assert store.replace(PUBLIC, ended(record, EndReason.REVOKED, now), reports)


def _by_limit(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    admission = store.insert_limited(PUBLIC, new_session("new"), SessionLimit(1, evicts=True), (), reports)
    assert admission.ended == ("h",)


def _by_conversion(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    record, now = store.get(PUBLIC, "h")
    assert record is not None
    ending = Ending(ended(record, EndReason.REPLACED, now), reports)
    admission = store.insert_limited(PUBLIC, new_session("new"), SessionLimit(None, evicts=False, ending=ending))
    assert admission.record is not None


def _by_provider(store: Store, reports: tuple[Report | Kill, ...]) -> None:
    now = (store.times()).now
    done = store.end_by_provider(PUBLIC, logout(ISSUER, "alice", None, "1", now), reports)
    assert done.ended == ("h",)


class KillSuite(StoreTests):
    @pytest.mark.parametrize(
        "end", [_by_end, _by_end_of_user, _by_replacement, _by_limit, _by_conversion, _by_provider]
    )
    def test_every_way_to_end_a_session_puts_it_on_the_list(
        self,
        store: Store,
        clock: ManualClock,
        end: Callable[[Store, tuple[Report | Kill, ...]], None],
    ) -> None:
        provider = ProviderSession(ISSUER, "alice", None)
        store.insert(PUBLIC, new_session(about=about.beginning(None, provider)))
        clock.advance(1_000)
        end(store, KILLED + ENDED)
        page = store.kill_page(PUBLIC, None)
        assert [each._replace(seq=0) for each in page.entries] == [
            KillEntry(0, Subject.SESSION, "h", "public", None, clock.wall() + 60_000)
        ]
        assert page.is_snapshot
        assert not page.more
        assert (page.seq, page.now) == (page.entries[0].seq, clock.wall())
        assert page.seq >= clock.wall()
        assert [each.session_handle for each in (store.read_events("reader", 10)).events] == ["h"]

    def test_the_list_needs_no_outbox_and_the_outbox_no_list(self, store: Store) -> None:
        for handle in ("a", "b"):
            store.insert(PUBLIC, new_session(handle))
        store.end(PUBLIC, ["a"], EndReason.REVOKED, KILLED)
        store.end(PUBLIC, ["b"], EndReason.REVOKED, ENDED)
        assert _names(store) == ["a"]
        assert [each.session_handle for each in (store.read_events("reader", 10)).events] == ["b"]

    def test_what_changes_nothing_puts_nothing_on_the_list(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        record = store.rotate(PUBLIC, step())
        assert record is not None
        assert not store.replace(PUBLIC, replace(record, version=record.version + 5), KILLED)
        store.end(PUBLIC, ["absent"], EndReason.REVOKED, KILLED)
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        store.end(PUBLIC, ["h"], EndReason.REVOKED, KILLED)
        store.end_user(PUBLIC, "user", EndReason.USER_REVOKED, None, KILLED)
        assert _names(store) == []

    def test_reading_on_misses_nothing_and_repeats_nothing(self, store: Store) -> None:
        assert (store.kill_page(PUBLIC, None)).entries == ()
        cursor, found = None, []
        for n in range(7):
            _end(store, f"h{n}")
            page = store.kill_page(PUBLIC, cursor)
            assert page.after == (cursor.seq if cursor else 0)
            found += [each.name for each in page.entries]
            cursor = page.cursor
        assert found == [f"h{n}" for n in range(7)]
        assert (store.kill_page(PUBLIC, cursor)).cursor == cursor
        numbers = [each.seq for each in (store.kill_page(PUBLIC, None)).entries]
        assert numbers == sorted(set(numbers))

    def test_a_long_list_is_read_in_pages(self, store: Store) -> None:
        for n in range(7):
            _end(store, f"h{n}")
        its, cursor, pages = KillList(), None, 0
        while True:
            page = store.kill_page(PUBLIC, cursor, 3)
            assert its.apply(page, pages)
            cursor, pages = page.cursor, pages + 1
            if not page.more:
                break
        assert pages == 3
        assert all(its.kills(f"h{n}", "user", "public", 0) for n in range(7))

    def test_entries_of_other_apps_and_tenants_stay_there(self, store: Store) -> None:
        other = Scope("public", "other")
        for scope in (other, Scope("app", "public"), PUBLIC, other):
            _end(store, f"of-{scope.tenant_id}-{scope.app_id}-{_count(store)}", scope)
        assert _names(store) == ["of-public-public-2"]
        page = store.kill_page(other, None, 1)
        assert len(page.entries) <= 1

    def test_a_cursor_of_another_store_gets_the_whole_list(self, store: Store) -> None:
        _end(store, "h")
        page = store.kill_page(PUBLIC, KillCursor("another", 2**52))
        assert page.is_snapshot
        assert [each.name for each in page.entries] == ["h"]

    def test_a_cursor_from_after_a_roll_back_reads_what_is_new(
        self, store: Store, clock: ManualClock
    ) -> None:
        """The store was put back to before some entries: their numbers are not given again."""
        _end(store, "before")
        epoch, seq = (store.kill_page(PUBLIC, None)).cursor
        lost = KillCursor(epoch, seq + 10)
        clock.advance(1_000)
        _end(store, "after")
        assert [each.name for each in (store.kill_page(PUBLIC, lost)).entries] == ["after"]
        assert (store.kill_page(PUBLIC, KillCursor(epoch, 2**52))).cursor == KillCursor(epoch, 2**52)

    def test_the_list_survives_a_restart_and_is_shared(
        self, store: Store, make_store: MakeStore, clock: ManualClock
    ) -> None:
        _end(store, "h")
        page = store.kill_page(PUBLIC, None)
        other = make_store(clock)
        other.open()
        assert (other.kill_page(PUBLIC, None)).entries == page.entries
        _end(other, "i")
        assert [each.name for each in (store.kill_page(PUBLIC, page.cursor)).entries] == ["i"]
        other.close()
        store.close()
        store.open()
        assert [each.name for each in (store.kill_page(PUBLIC, page.cursor)).entries] == ["i"]

    def test_entries_go_when_their_time_is_over(self, store: Store, clock: ManualClock) -> None:
        for n in range(5):
            _end(store, f"h{n}")
        cursor = (store.kill_page(PUBLIC, None)).cursor
        assert store.purge_kills(100) == 0
        clock.advance(60_000)
        _end(store, "later")
        assert store.purge_kills(3) == 3
        assert store.purge_kills(3) == 2
        assert store.purge_kills(3) == 0
        assert _names(store) == ["later"]
        assert [each.name for each in (store.kill_page(PUBLIC, cursor)).entries] == ["later"]

    def test_what_was_never_read_goes_as_well(self, store: Store, clock: ManualClock) -> None:
        _end(store, "h")
        clock.advance(60_000)
        store.kill_page(PUBLIC, None)
        assert store.purge_kills(100) == 1
        store.purge_events(100, RETENTION)

    def test_many_at_once_get_different_numbers_in_one_page(self, store: Store) -> None:
        for n in range(20):
            store.insert(PUBLIC, new_session(f"h{n}", f"user{n % 4}"))
        ending = partial(store.end_user, PUBLIC, reason=EndReason.USER_REVOKED, reports=KILLED)
        together(partial(ending, user_id=f"user{n}") for n in range(4))
        page = store.kill_page(PUBLIC, None)
        assert {each.name for each in page.entries} == {f"h{n}" for n in range(20)}
        assert len({each.seq for each in page.entries}) == 20


def _end(store: Store, handle: str, scope: Scope = PUBLIC) -> None:
    store.insert(scope, new_session(handle))
    store.end(scope, [handle], EndReason.REVOKED, KILLED)


def _count(store: Store) -> int:
    pages: list[KillPage] = [
        store.kill_page(scope, None) for scope in (PUBLIC, Scope("public", "other"), Scope("app", "public"))
    ]
    return sum(len(page.entries) for page in pages)


def _names(store: Store) -> list[str]:
    return [each.name for each in (store.kill_page(PUBLIC, None)).entries]
