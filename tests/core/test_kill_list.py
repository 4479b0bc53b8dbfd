"""The memory of a verifier: pages in any order, against a model that keeps everything."""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.kill_list import (
    KillCursor,
    KillEntry,
    KillList,
    KillPage,
    KillState,
    Subject,
    first_number,
    position,
)

NOW = 1_800_000_000_000
HOUR = 3_600_000


def entry(
    seq: int,
    name: str = "h",
    until: int = NOW + HOUR,
    subject: Subject = Subject.SESSION,
    not_before: int | None = None,
) -> KillEntry:
    return KillEntry(seq, subject, name, "public", not_before, until)


def page(after: int, seq: int, *entries: KillEntry, epoch: str = "a", more: bool = False, now: int = NOW) -> KillPage:
    return KillPage(epoch, after, seq, entries, more, now)


def kills(its: KillList, handle: str, user: str = "u", issued_at: int = NOW) -> bool:
    return its.kills(handle, user, "public", issued_at)


def go_on(its: KillList, now: int) -> None:
    """Let the store's time go on."""
    cursor = its.cursor
    assert cursor is not None
    assert its.apply(page(cursor.seq, cursor.seq, epoch=cursor.epoch, now=now), 0)


def test_an_entry_counts_until_it_is_over_by_the_store_s_time() -> None:
    its = KillList()
    assert its.apply(page(0, 5, entry(5)), 0)
    go_on(its, NOW + HOUR - 1)
    assert kills(its, "h")
    go_on(its, NOW + HOUR + 10_000)
    assert not kills(its, "h")
    assert not kills(its, "other")


def test_a_page_that_does_not_follow_changes_nothing() -> None:
    its = KillList()
    its.apply(page(0, 5, entry(5)), 0)
    assert not its.apply(page(7, 8, entry(8, "later")), 0)
    assert not kills(its, "later")
    assert its.cursor == KillCursor("a", 5)


def test_the_first_page_must_be_a_snapshot() -> None:
    its = KillList()
    assert not its.apply(page(7, 8, entry(8)), 0)
    assert its.cursor is None
    assert its.state(0, HOUR) is KillState.NEVER_LOADED


def test_another_epoch_needs_a_snapshot_and_what_was_there_stays_until_it_is_over() -> None:
    its = KillList()
    its.apply(page(0, 5, entry(5)), 0)
    assert not its.apply(page(5, 6, entry(6, "new"), epoch="b"), 0)
    assert its.cursor is None
    assert kills(its, "h")
    assert its.apply(page(0, 6, entry(6, "new"), epoch="b"), 0)
    assert its.cursor == KillCursor("b", 6)
    assert kills(its, "new")
    assert kills(its, "h"), "an ended session does not come back with another store"
    assert its.state(0, HOUR) is KillState.FRESH
    go_on(its, NOW + HOUR)
    assert not len(its)


def test_while_the_snapshot_of_another_epoch_comes_in_parts_the_list_is_as_old_as_before() -> None:
    its = KillList()
    its.apply(page(0, 5, entry(5)), 100)
    assert its.apply(page(0, 6, entry(6, "new"), epoch="b", more=True), 150)
    assert its.age(160) == 60
    assert kills(its, "h")
    assert its.apply(page(6, 7, entry(7, "newer"), epoch="b"), 155)
    assert its.age(160) == 5


def test_a_store_whose_clock_was_set_back_makes_no_list_grow() -> None:
    its = KillList()
    its.apply(page(0, 1, entry(1, "h", NOW + 1000)), 0)
    its.apply(page(1, 4, entry(4, "b", NOW - HOUR + 70_000), now=NOW - HOUR), 0)
    assert [kills(its, name) for name in ("h", "b")] == [True, True]
    go_on(its, NOW - HOUR + 80_000)
    assert [kills(its, name) for name in ("h", "b")] == [True, False]


def test_a_page_applied_twice_or_late_changes_nothing() -> None:
    its = KillList()
    first, second = page(0, 5, entry(5)), page(5, 9, entry(9, "i"))
    for each in (first, second, first, second, first):
        assert its.apply(each, 0)
    assert its.cursor == KillCursor("a", 9)
    assert len(its) == 2


def test_a_snapshot_in_parts_counts_as_loaded_with_its_last_part() -> None:
    its = KillList()
    its.apply(page(0, 5, entry(5), more=True), 10)
    assert its.state(10, HOUR) is KillState.NEVER_LOADED
    its.apply(page(5, 9, entry(9, "i")), 20)
    assert its.state(20, HOUR) is KillState.FRESH
    assert its.age(50) == 30


def test_a_list_becomes_stale_after_the_maximum_age() -> None:
    its = KillList()
    its.apply(page(0, 0), 100)
    assert its.state(160, 60) is KillState.FRESH
    assert its.state(161, 60) is KillState.STALE
    its.apply(page(0, 0), 161)
    assert its.state(161, 60) is KillState.FRESH


def test_above_the_limit_the_list_is_full_until_what_was_left_out_is_over() -> None:
    its = KillList(limit=3)
    its.apply(page(0, 9, *(entry(n, f"h{n}", NOW + n * 1000) for n in range(1, 10))), 0)
    assert len(its) == 3
    assert its.state(0, HOUR) is KillState.FULL
    go_on(its, NOW + 8999)
    assert its.state(0, HOUR) is KillState.FULL
    go_on(its, NOW + 9000)
    assert its.state(0, HOUR) is KillState.FRESH


def test_entries_that_are_over_make_room() -> None:
    its = KillList(limit=100)
    for n in range(1_000):
        now = NOW + n * 1_000
        its.apply(page(n, n + 1, entry(n + 1, f"h{n}", now + 50_000), now=now), 0)
        assert len(its) <= 100
        assert its.state(0, HOUR) is KillState.FRESH


@pytest.mark.parametrize(("subject", "name"), [(Subject.USER, "u"), (Subject.TENANT, "")])
def test_an_entry_of_a_user_or_tenant_is_about_tokens_from_before(subject: Subject, name: str) -> None:
    its = KillList()
    its.apply(page(0, 1, entry(1, name, subject=subject, not_before=NOW + 500)), 0)
    assert kills(its, "h", issued_at=NOW - 1_000)
    assert not kills(its, "h", issued_at=NOW), "it may be of a sign-in later in the same second"
    assert kills(its, "h", user="v", issued_at=NOW - 1_000) is (subject is Subject.TENANT)
    go_on(its, NOW + HOUR)
    assert not kills(its, "h", issued_at=NOW - 1_000)


def test_an_entry_without_a_moment_is_about_all_tokens() -> None:
    its = KillList()
    its.apply(page(0, 2, entry(1, "", subject=Subject.TENANT), entry(2, "u", subject=Subject.USER)), 0)
    assert kills(its, "h", issued_at=NOW + 1_000)


def test_the_limit_counts_entries_of_users_too() -> None:
    its = KillList(limit=1)
    its.apply(page(0, 2, *(entry(n, f"u{n}", subject=Subject.USER) for n in (1, 2))), 0)
    assert len(its) == 1
    assert its.state(0, HOUR) is KillState.FULL


def test_numbers_follow_the_time_and_never_repeat() -> None:
    assert first_number(0, NOW) == NOW
    assert first_number(NOW, NOW) == NOW + 1
    assert first_number(NOW, NOW - HOUR) == NOW + 1, "the time may go back; numbers do not"


@pytest.mark.parametrize("text", ["", "a", "a.", ".5", "a.x", "a.-1", "a.²"])
def test_what_is_no_cursor_is_read_as_none(text: str) -> None:
    assert KillCursor.read(text) is None


def test_a_cursor_is_text_and_back() -> None:
    cursor = KillCursor("a1", NOW)
    assert KillCursor.read(cursor.text()) == cursor
    assert cursor == page(0, NOW, epoch="a1").cursor


def test_a_cursor_of_another_store_begins_at_the_beginning() -> None:
    assert position(KillCursor("a", 5), "a") == 5
    assert position(KillCursor("b", 5), "a") == position(None, "a") == 0


class _Ending(NamedTuple):
    handle: int
    kept: int


_endings = st.lists(st.builds(_Ending, st.integers(0, 20), st.integers(1, 50_000)), max_size=40)


@given(_endings, st.integers(0, 2**32), st.integers(1, 5))
def test_pages_in_any_order_refuse_what_the_model_does_and_nothing_else(
    endings: list[_Ending], seed: int, size: int
) -> None:
    """Pages come twice, late or not at all; the reader then reads on from its cursor, as in production."""
    chance = random.Random(seed)
    entries = [entry(n + 1, f"h{each.handle}", NOW + each.kept) for n, each in enumerate(endings)]
    cuts = [*range(0, len(entries), size), len(entries)]
    pages = [page(a, b, *entries[a:b]) for a, b in itertools.pairwise(cuts)] or [page(0, 0)]
    its, chosen = KillList(), [chance.choice(pages) for _ in range(2 * len(pages))]
    for each in chosen:
        its.apply(each, 0)
    while its.cursor is None or its.cursor.seq < len(entries):
        start = 0 if its.cursor is None else its.cursor.seq
        assert its.apply(page(start, len(entries), *entries[start:]), 0)
    for now in (NOW, NOW + 25_000, NOW + 50_000):
        go_on(its, now)
        ended = {each.name for each in entries if each.until > now}
        assert {f"h{n}" for n in range(25) if kills(its, f"h{n}")} == ended
