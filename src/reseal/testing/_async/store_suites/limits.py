"""Limits of sessions."""
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from reseal._async.ports import AsyncStore
from reseal.core.model import EndReason, Scope
from reseal.core.rotation import ended
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Admission, Ending, SessionLimit
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, new_session


async def live(store: AsyncStore, user_id: str = "user", scope: Scope = PUBLIC) -> list[str]:
    return [each.handle for each in await store.list_user(scope, user_id, UserPlace(), 500)]


async def ending(store: AsyncStore, handle: str) -> Ending:
    record, now = await store.get(PUBLIC, handle)
    assert record is not None
    return Ending(ended(record, EndReason.REPLACED, now), ())


class AsyncLimitSuite(AsyncStoreTests):
    @pytest.mark.parametrize("most", [1, 3])
    async def test_of_fifty_sign_ins_at_once_exactly_as_many_live_as_the_limit_allows(
        self, store: AsyncStore, most: int
    ) -> None:
        limit = SessionLimit(most, evicts=True)
        calls = (partial(store.insert_limited, PUBLIC, new_session(f"h{n}"), limit) for n in range(50))
        admissions = [each for each in await together(calls) if isinstance(each, Admission)]
        assert len([each for each in admissions if each.record is not None]) == 50
        ended = [handle for each in admissions for handle in each.ended]
        assert len(ended) == len(set(ended)) == 50 - most
        assert sorted([*ended, *await live(store)]) == sorted(f"h{n}" for n in range(50))

    async def test_of_fifty_sign_ins_at_once_the_surplus_is_refused_where_none_is_to_end(
        self, store: AsyncStore
    ) -> None:
        limit = SessionLimit(3, evicts=False)
        calls = (partial(store.insert_limited, PUBLIC, new_session(f"h{n}"), limit) for n in range(50))
        admissions = [each for each in await together(calls) if isinstance(each, Admission)]
        assert len(admissions) == 50
        admitted = {each.record.handle for each in admissions if each.record is not None}
        assert admissions.count(Admission(None, (), is_full=True)) == 47
        assert set(await live(store)) == admitted
        assert len(admitted) == 3

    @pytest.mark.parametrize("evicts", [True, False])
    async def test_whoever_reads_while_fifty_sign_in_never_sees_more_than_the_limit(
        self, store: AsyncStore, *, evicts: bool
    ) -> None:
        # S50
        limit = SessionLimit(3, evicts=evicts)
        calls = [partial(store.insert_limited, PUBLIC, new_session(f"h{n}"), limit) for n in range(50)]
        reads = [partial(store.list_user, PUBLIC, "user", UserPlace(), 100)] * 50
        mixed: list[Any] = [call for pair in zip(calls, reads, strict=True) for call in pair]
        seen = [each for each in await together(mixed) if type(each) is tuple]
        assert len(seen) == 50
        assert max(map(len, seen)) <= 3
        assert len(await live(store)) == 3

    async def test_the_oldest_session_ends_with_a_reason_of_its_own(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        for n in range(3):
            clock.advance(1000)
            admission = await store.insert_limited(PUBLIC, new_session(f"h{n}"), SessionLimit(2, evicts=True))
            assert admission.record == (await store.get(PUBLIC, f"h{n}")).record
        assert admission.ended == ("h0",)
        assert await live(store) == ["h1", "h2"]
        record = (await store.get(PUBLIC, "h0")).record
        assert record is not None
        assert (record.end_reason, record.ended_at, record.successor_sealed) == (EndReason.LIMIT, clock.wall(), None)

    async def test_a_lower_limit_ends_as_many_as_are_too_many(self, store: AsyncStore, clock: ManualClock) -> None:
        for n in range(4):
            clock.advance(1000)
            await store.insert(PUBLIC, new_session(f"h{n}"))
        admission = await store.insert_limited(PUBLIC, new_session("new"), SessionLimit(2, evicts=True))
        assert admission.ended == ("h0", "h1", "h2")
        assert await live(store) == ["h3", "new"]

    async def test_only_live_sessions_of_this_user_and_tenant_count(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        other = Scope("public", "other")
        await store.insert(PUBLIC, new_session("over", idle_ms=1000))
        await store.insert(PUBLIC, new_session("ended"))
        await store.end(PUBLIC, ["ended"], EndReason.REVOKED)
        await store.insert(PUBLIC, new_session("stranger", "USER"))
        await store.insert(other, new_session("elsewhere"))
        clock.advance(HOUR // 2)
        admission = await store.insert_limited(PUBLIC, new_session("new"), SessionLimit(1, evicts=False))
        assert admission.record is not None
        assert (await live(store, "USER"), await live(store, scope=other)) == (["stranger"], ["elsewhere"])

    async def test_sessions_that_the_new_one_replaces_do_not_count(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session("held"))
        limit = SessionLimit(1, evicts=True, replaced=("held", "absent"))
        assert (await store.insert_limited(PUBLIC, new_session("new"), limit)).ended == ()
        assert sorted(await live(store)) == ["held", "new"]

    async def test_a_taken_handle_ends_nothing(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session("h"))
        limit = SessionLimit(1, evicts=True)
        assert await store.insert_limited(PUBLIC, new_session("h"), limit) == Admission(None, ())
        assert await live(store) == ["h"]

    async def test_of_fifty_sign_ins_at_once_one_takes_the_place_of_a_visitor_s_session(
        self, store: AsyncStore
    ) -> None:
        await store.insert(PUBLIC, new_session("visitor", "nobody"))
        limit = SessionLimit(None, evicts=False, ending=await ending(store, "visitor"))
        calls = (partial(store.insert_limited, PUBLIC, new_session(f"h{n}"), limit) for n in range(50))
        admissions = await together(calls)
        assert admissions.count(Admission(None, (), is_stale=True)) == 49
        assert len(await live(store)) == 1
        record = (await store.get(PUBLIC, "visitor")).record
        assert record is not None
        assert (record.end_reason, record.successor_sealed) == (EndReason.REPLACED, None)

    async def test_nothing_begins_if_the_visitor_s_session_has_changed_or_ended(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session("oldest"))
        for change in ("changed", "ended"):
            await store.insert(PUBLIC, new_session(change, "nobody"))
            limit = SessionLimit(1, evicts=True, ending=await ending(store, change))
            if change == "ended":
                await store.end(PUBLIC, [change], EndReason.SIGNED_OUT)
            else:
                record = (await store.get(PUBLIC, change)).record
                assert record is not None
                assert await store.replace(PUBLIC, record)
            admission = await store.insert_limited(PUBLIC, new_session("new"), limit)
            assert admission == Admission(None, (), is_stale=True)
            assert await live(store) == ["oldest"]
        assert await live(store, "nobody") == ["changed"]

    async def test_a_refused_sign_in_leaves_the_visitor_s_session(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session("visitor", "nobody"))
        await store.insert(PUBLIC, new_session("h"))
        limit = SessionLimit(1, evicts=False, ending=await ending(store, "visitor"))
        assert (await store.insert_limited(PUBLIC, new_session("new"), limit)).is_full
        taken = SessionLimit(None, evicts=False, ending=await ending(store, "visitor"))
        assert await store.insert_limited(PUBLIC, new_session("h"), taken) == Admission(None, ())
        assert await live(store, "nobody") == ["visitor"]
