"""End."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.model import EndReason
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, sessions_of, three_users_with_five_sessions
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session, step


class AsyncEndSuite(AsyncStoreTests):
    async def test_end_names_exactly_those_that_it_ended(self, store: AsyncStore) -> None:
        for handle in ("a", "b", "c", "d"):
            await store.insert(PUBLIC, new_session(handle))
        await store.end(PUBLIC, ["a"], EndReason.SIGNED_OUT)
        named = await store.end(PUBLIC, ["a", "b", "absent", "c", "b"], EndReason.REVOKED)
        assert sorted(named) == ["b", "c"]
        assert [r.handle for r in await sessions_of(store, PUBLIC, "user")] == ["d"]
        assert await store.end(PUBLIC, [], EndReason.REVOKED) == ()

    async def test_ending_again_changes_nothing_and_keeps_the_first_reason(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session())
        await store.end(PUBLIC, ["h"], EndReason.THEFT)
        clock.advance(1)
        before = (await store.get(PUBLIC, "h")).record
        assert await store.end(PUBLIC, ["h"], EndReason.REVOKED) == ()
        assert await store.end_user(PUBLIC, "user", EndReason.USER_REVOKED) == ()
        assert (await store.get(PUBLIC, "h")).record == before
        assert before is not None
        assert before.end_reason is EndReason.THEFT

    async def test_an_ended_session_keeps_its_hashes_and_loses_its_seal(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await store.insert(PUBLIC, new_session())
        rotated = await store.rotate(PUBLIC, step())
        assert rotated is not None
        await store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert (await store.get(PUBLIC, "h")).record == replace(
            rotated,
            ended_at=clock.wall(),
            end_reason=EndReason.REVOKED,
            successor_sealed=None,
            version=rotated.version + 1,
        )

    @pytest.mark.parametrize("reason", list(EndReason))
    async def test_every_reason_is_kept(self, store: AsyncStore, reason: EndReason) -> None:
        await store.insert(PUBLIC, new_session())
        assert await store.end(PUBLIC, iter(["h"]), reason) == ("h",)
        record = (await store.get(PUBLIC, "h")).record
        assert record is not None
        assert record.end_reason is reason

    async def test_of_many_who_end_one_session_one_is_named_as_the_one(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session())
        results = await together([partial(store.end, PUBLIC, ["h"], EndReason.REVOKED)] * 16)
        assert sorted(map(repr, results)) == ["('h',)"] + ["()"] * 15

    @pytest.mark.parametrize("keep", [None, "b-2", "absent", "a-0"])
    async def test_end_user_ends_all_sessions_of_that_user_but_one(self, store: AsyncStore, keep: str | None) -> None:
        await three_users_with_five_sessions(store)
        named = await store.end_user(PUBLIC, "b", EndReason.USER_REVOKED, keep)
        expected = {f"b-{n}" for n in range(5)} - {keep}
        assert len(named) == len(expected)
        assert set(named) == expected
        left = {r.handle for user in "abc" for r in await sessions_of(store, PUBLIC, user)}
        assert left == {f"{user}-{n}" for user in "abc" for n in range(5)} - expected
