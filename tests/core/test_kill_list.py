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


def kills(its: KillList, handle: str, user: str = "u", issued_at: int = NOW, now: int = NOW) -> bool:
    return its.kills(handle, user, "public", issued_at, now)


def test_an_entry_counts_until_its_time_is_over() -> None:
    its = KillList()
    assert its.apply(page(0, 5, entry(5)), 0)
    assert kills(its, "h", now=NOW + HOUR - 1)
    assert not kills(its, "h", now=NOW + HOUR)
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
    assert its.state(0, NOW, HOUR) is KillState.NEVER_LOADED


def test_another_epoch_needs_a_snapshot_and_forgets_what_was_there() -> None:
    its = KillList()
    its.apply(page(0, 5, entry(5)), 0)
    assert not its.apply(page(5, 6, entry(6, "new"), epoch="b"), 0)
    assert its.cursor is None
    assert kills(its, "h")
    assert its.apply(page(0, 6, entry(6, "new"), epoch="b"), 0)
    assert kills(its, "new")
    assert not kills(its, "h")


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
    assert its.state(10, NOW, HOUR) is KillState.NEVER_LOADED
    its.apply(page(5, 9, entry(9, "i")), 20)
    assert its.state(20, NOW, HOUR) is KillState.FRESH
    assert its.age(50) == 30


def test_a_list_becomes_stale_after_the_maximum_age() -> None:
    its = KillList()
    its.apply(page(0, 0), 100)
    assert its.state(160, NOW, 60) is KillState.FRESH
    assert its.state(161, NOW, 60) is KillState.STALE
    its.apply(page(0, 0), 161)
    assert its.state(161, NOW, 60) is KillState.FRESH


def test_above_the_limit_the_list_is_stale_until_what_was_left_out_is_over() -> None:
    its = KillList(limit=3)
    its.apply(page(0, 9, *(entry(n, f"h{n}", NOW + n * 1000) for n in range(1, 10))), 0)
    assert len(its) == 3
    assert its.state(0, NOW, HOUR) is KillState.STALE
    assert its.state(0, NOW + 8999, HOUR) is KillState.STALE
    assert its.state(0, NOW + 9000, HOUR) is KillState.FRESH


def test_entries_that_are_over_make_room() -> None:
    its = KillList(limit=100)
    for n in range(1_000):
        now = NOW + n * 1_000
        its.apply(page(n, n + 1, entry(n + 1, f"h{n}", now + 50_000), now=now), 0)
        assert len(its) <= 100
        assert its.state(0, now, HOUR) is KillState.FRESH


@pytest.mark.parametrize(("subject", "name"), [(Subject.USER, "u"), (Subject.TENANT, "")])
def test_an_entry_of_a_user_or_tenant_is_about_tokens_from_before(subject: Subject, name: str) -> None:
    its = KillList()
    its.apply(page(0, 1, entry(1, name, subject=subject, not_before=NOW + 500)), 0)
    assert kills(its, "h", issued_at=NOW - 1_000)
    assert not kills(its, "h", issued_at=NOW), "it may be of a sign-in later in the same second"
    assert kills(its, "h", user="v", issued_at=NOW - 1_000) is (subject is Subject.TENANT)
    assert not kills(its, "h", issued_at=NOW - 1_000, now=NOW + HOUR)


def test_an_entry_without_a_moment_is_about_all_tokens() -> None:
    its = KillList()
    its.apply(page(0, 2, entry(1, "", subject=Subject.TENANT), entry(2, "u", subject=Subject.USER)), 0)
    assert kills(its, "h", issued_at=NOW + 1_000)


def test_the_limit_counts_entries_of_users_too() -> None:
    its = KillList(limit=1)
    its.apply(page(0, 2, *(entry(n, f"u{n}", subject=Subject.USER) for n in (1, 2))), 0)
    assert len(its) == 1
    assert its.state(0, NOW, HOUR) is KillState.STALE


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


_endings = st.lists(st.builds(_Ending, st.integers(0, 20), st.integers(1, 5_000)), max_size=40)


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
    for now in (NOW, NOW + 2_500, NOW + 5_000):
        ended = {each.name for each in entries if each.until > now}
        assert {f"h{n}" for n in range(25) if kills(its, f"h{n}", now=now)} == ended
