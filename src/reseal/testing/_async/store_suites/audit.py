# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""The audit trail: one test per promise of ``ports.AsyncAuditStore``."""

from __future__ import annotations

from functools import partial

from reseal._async.ports import AsyncStore
from reseal.core.audit import AuditRow, chained
from reseal.testing._async.store_suites.base import AsyncStoreTests, MakeStore
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock


class AsyncAuditSuite(AsyncStoreTests):
    async def test_an_audit_trail_begins_with_row_1_and_is_read_in_order(self, store: AsyncStore) -> None:
        assert await store.audit.last() is None
        assert await store.audit.read(0, 10) == ()
        rows = _rows(5)
        assert not await store.audit.append(rows[1:])
        assert await store.audit.append(rows[:2])
        assert await store.audit.append(rows[2:])
        assert await store.audit.last() == rows[4]
        assert await store.audit.read(0, 10) == rows
        assert await store.audit.read(1, 2) == rows[1:3]
        assert await store.audit.read(5, 2) == ()

    async def test_only_rows_that_follow_the_last_one_are_appended(self, store: AsyncStore) -> None:
        rows = _rows(6)
        assert await store.audit.append(rows[:3])
        for late in (rows[:3], rows[2:5], rows[4:], ()):
            assert not await store.audit.append(late)
        assert await store.audit.read(0, 10) == rows[:3]
        assert await store.audit.append(rows[3:])

    async def test_of_many_who_append_to_one_row_one_does(self, store: AsyncStore) -> None:
        await store.audit.append(_rows(1))
        offered = [chained(_rows(1)[0], [{"by": n}] * (n % 3 + 1)) for n in range(16)]
        results = await together(partial(store.audit.append, rows) for rows in offered)
        assert results.count(True) == 1
        assert await store.audit.read(1, 10) == offered[results.index(True)]

    async def test_audit_rows_are_removed_from_the_beginning_and_numbers_go_on(self, store: AsyncStore) -> None:
        rows = _rows(8)
        await store.audit.append(rows[:6])
        assert await store.audit.remove_before(1, 10) == 0
        assert await store.audit.remove_before(5, 3) == 3
        assert await store.audit.read(0, 10) == rows[3:6]
        assert await store.audit.remove_before(5, 3) == 1
        assert await store.audit.remove_before(5, 3) == 0
        assert await store.audit.append(rows[6:])
        assert await store.audit.read(0, 10) == rows[4:]

    async def test_audit_rows_are_there_after_a_restart_as_they_were(
        self, make_store: MakeStore, clock: ManualClock
    ) -> None:
        store = make_store(clock)
        await store.open()
        rows = _rows(2, 'ж\\u0000"' * 1000)
        await store.audit.append(rows)
        await store.close()
        again = make_store(clock)
        await again.open()
        assert await again.audit.read(0, 10) == rows
        await again.close()


def _rows(count: int, text: str = "") -> tuple[AuditRow, ...]:
    return chained(None, [{"text": text, "n": n} for n in range(count)])
