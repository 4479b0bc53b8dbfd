# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Theft cases."""

from __future__ import annotations

from functools import partial

from reseal._async.ports import AsyncStore
from reseal.core.cases import FAR, CaseFilter, CasePlace, StoredCase
from reseal.core.model import Scope
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, MakeStore
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock

ELSEWHERE = Scope("public", "elsewhere")
TEXT = '{"user":"ж","nul":"\\u0000","quote":"\'"}'


def case(handle: str, at: int = 5, user: str = "user", *, is_closed: bool = False, version: int = 0) -> StoredCase:
    return StoredCase(handle, user, at, is_closed, version, TEXT)


async def pages(store: AsyncStore, which: CaseFilter, limit: int = 2) -> list[str]:
    """Read all cases, page by page; returns their handles."""
    found: list[str] = []
    after = CasePlace()
    while page := await store.list_cases(PUBLIC, which, after, limit):
        assert len(page) <= limit
        found += [each.handle for each in page]
        after = CasePlace(page[-1].opened_at, page[-1].handle)
    return found


class AsyncCaseSuite(AsyncStoreTests):
    async def test_a_case_is_absent_until_it_is_written(self, store: AsyncStore) -> None:
        assert await store.read_case(PUBLIC, "h") is None
        assert await store.write_case(PUBLIC, case("h"))
        assert await store.read_case(PUBLIC, "h") == case("h", version=1)
        for scope, handle in ((PUBLIC, "other"), (ELSEWHERE, "h"), (PUBLIC, "\0"), (PUBLIC, "\ud800")):
            assert await store.read_case(scope, handle) is None

    async def test_only_who_has_read_the_last_version_of_a_case_writes(self, store: AsyncStore) -> None:
        assert not await store.write_case(PUBLIC, case("h", version=1))
        assert await store.write_case(PUBLIC, case("h"))
        assert not await store.write_case(PUBLIC, case("h"))
        assert await store.write_case(PUBLIC, case("h", 9, "another", is_closed=True, version=1))
        for version in (0, 1, 3):
            assert not await store.write_case(PUBLIC, case("h", version=version))
        assert await store.read_case(PUBLIC, "h") == case("h", is_closed=True, version=2)

    async def test_of_many_writers_of_one_case_one_writes(self, store: AsyncStore) -> None:
        for version in (0, 1):
            results = await together(partial(store.write_case, PUBLIC, case("h", version=version)) for _ in range(16))
            assert results.count(True) == 1

    async def test_cases_are_listed_newest_first_in_pages(self, store: AsyncStore) -> None:
        for handle, at, user in (("a", 1, "u"), ("b", 3, "u"), ("c", 3, "v"), ("d", 2, "u"), ("e", 4, "v")):
            assert await store.write_case(PUBLIC, case(handle, at, user))
        await store.write_case(ELSEWHERE, case("f", 9, "u"))
        await store.write_case(PUBLIC, case("b", 3, "u", is_closed=True, version=1))
        assert await pages(store, CaseFilter()) == ["e", "c", "b", "d", "a"]
        assert await pages(store, CaseFilter("u")) == ["b", "d", "a"]
        assert await pages(store, CaseFilter("u", open_only=True)) == ["d", "a"]
        assert await pages(store, CaseFilter(open_only=True)) == ["e", "c", "d", "a"]
        for user in ("nobody", "\0", "\ud800"):
            assert await pages(store, CaseFilter(user)) == []

    async def test_cases_are_removed_by_age_and_by_user(self, store: AsyncStore) -> None:
        for handle, at, user in (("a", 1, "u"), ("b", 2, "u"), ("c", 3, "v"), ("d", 4, "u")):
            await store.write_case(PUBLIC, case(handle, at, user))
        await store.write_case(ELSEWHERE, case("a", 1, "u"))
        assert await store.remove_cases(PUBLIC, 1) == 1
        assert await pages(store, CaseFilter()) == ["d", "c", "b"]
        assert await store.remove_cases(PUBLIC, FAR, "u") == 2
        assert await store.remove_cases(PUBLIC, FAR, "\0") == 0
        assert await store.remove_cases(PUBLIC, FAR, "\ud800") == 0
        assert await pages(store, CaseFilter()) == ["c"]
        assert await store.read_case(ELSEWHERE, "a") is not None
        assert not await store.write_case(PUBLIC, case("d", version=1)), "it is gone"

    async def test_cases_go_with_their_tenant(self, store: AsyncStore) -> None:
        await store.put_tenant(ELSEWHERE, b"{}")
        await store.write_case(ELSEWHERE, case("a"))
        await store.write_case(PUBLIC, case("a"))
        await store.remove_tenant(ELSEWHERE)
        assert await store.read_case(ELSEWHERE, "a") is None
        assert await store.read_case(PUBLIC, "a") is not None

    async def test_no_case_stays_in_the_future(self, store: AsyncStore, clock: ManualClock) -> None:
        await store.write_case(PUBLIC, case("h", clock.wall() + 1_000_000))
        await store.repair_clock()
        found = await store.read_case(PUBLIC, "h")
        assert found is not None
        assert found.opened_at <= clock.wall()

    async def test_cases_are_there_after_a_restart(self, make_store: MakeStore, clock: ManualClock) -> None:
        store = make_store(clock)
        await store.open()
        await store.write_case(PUBLIC, case("h"))
        await store.close()
        again = make_store(clock)
        await again.open()
        assert await again.read_case(PUBLIC, "h") is not None
        await again.close()
