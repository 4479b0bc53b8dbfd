"""Confirm."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Found, Scope
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, MakeStore
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, hash_of, new_session, step

BY_NUMBER = Seen(handle="h", generation=1)
BY_HASH = Seen(handle="h", current_hash=hash_of("h/1"))


class AsyncConfirmSuite(AsyncStoreTests):
    @pytest.mark.parametrize("seen", [BY_NUMBER, BY_HASH], ids=["number", "hash"])
    async def test_the_first_use_of_the_current_generation_is_dated_and_the_rest_is_kept(
        self, store: AsyncStore, clock: ManualClock, seen: Seen
    ) -> None:
        await store.insert(PUBLIC, new_session(jwt_payload=b'{"a":1}', session_data=b'{"b":2}'))
        before = await store.rotate(PUBLIC, step())
        assert before is not None
        clock.advance(1000)
        confirmed = replace(before, confirmed_at=clock.wall(), version=before.version + 1)
        assert await store.confirm(PUBLIC, seen) == Found(confirmed, clock.wall())
        assert (await store.get(PUBLIC, "h")).record == confirmed
        clock.advance(1000)
        assert await store.confirm(PUBLIC, seen) == Found(confirmed, clock.wall())
        assert await store.get(PUBLIC, "h") == Found(confirmed, clock.wall())

    async def test_a_generation_that_is_not_the_current_one_is_not_confirmed(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session())
        before = await store.rotate(PUBLIC, step())
        seen = [Seen(handle="h", generation=n) for n in (-1, 0, 2)]
        seen += [Seen(handle="h", current_hash=each) for each in (hash_of("h/0"), hash_of("h/2"), b"")]
        results = await together(partial(store.confirm, PUBLIC, each) for each in seen)
        results += [await store.confirm(PUBLIC, each) for each in seen]
        now = (await store.get(PUBLIC, "h")).now
        assert results == [Found(before, now)] * 2 * len(seen)
        assert (await store.get(PUBLIC, "h")).record == before

    async def test_the_next_generation_is_confirmed_by_itself(self, store: AsyncStore, clock: ManualClock) -> None:
        await store.insert(PUBLIC, new_session())
        for generation in range(3):
            found = await store.confirm(PUBLIC, Seen(handle="h", generation=generation))
            assert found.record is not None
            assert (found.record.generation, found.record.confirmed_at) == (generation, clock.wall())
            assert found.record.version == 2 * generation + 2
            clock.advance(1000)
            rotated = await store.rotate(PUBLIC, step(generation=generation))
            assert rotated is not None
            assert rotated.confirmed_at is None

    async def test_an_ended_session_is_not_confirmed(self, store: AsyncStore) -> None:
        await store.insert(PUBLIC, new_session())
        await store.end(PUBLIC, ["h"], EndReason.REVOKED)
        before = await store.get(PUBLIC, "h")
        assert await store.confirm(PUBLIC, Seen(handle="h", generation=0)) == before
        assert await store.get(PUBLIC, "h") == before

    @pytest.mark.parametrize(("late_by", "confirmed"), [(-1, True), (0, False), (1, False)])
    @pytest.mark.parametrize("absolute_ms", [None, HOUR])
    async def test_a_session_is_not_confirmed_from_its_end_on(
        self, store: AsyncStore, clock: ManualClock, absolute_ms: int | None, late_by: int, *, confirmed: bool
    ) -> None:
        await store.insert(PUBLIC, new_session(absolute_ms=absolute_ms))
        clock.advance(HOUR + late_by)
        found = await store.confirm(PUBLIC, Seen(handle="h", generation=0))
        assert found == await store.get(PUBLIC, "h")
        assert found.record is not None
        assert (found.record.confirmed_at is not None) is confirmed

    @pytest.mark.parametrize("handle", ["absent", "", "h\0", "\ud800"], ids=ascii)
    async def test_where_there_is_no_session_nothing_is_confirmed(
        self, store: AsyncStore, clock: ManualClock, handle: str
    ) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert await store.confirm(PUBLIC, Seen(handle=handle, generation=0)) == (None, clock.wall())
        both = [Seen(handle=each, generation=5) for each in ("h", handle)]
        found = await together(partial(store.confirm, PUBLIC, each) for each in both)
        assert found == [(record, clock.wall()), (None, clock.wall())]

    async def test_of_many_who_use_one_generation_one_confirms_it_and_all_see_it(
        self, store: AsyncStore, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        await other.open()
        await store.insert(PUBLIC, new_session())
        before = await store.rotate(PUBLIC, step())
        assert before is not None
        calls = [partial((store, other)[n % 2].confirm, PUBLIC, (BY_NUMBER, BY_HASH)[n // 2 % 2]) for n in range(64)]
        confirmed = replace(before, confirmed_at=clock.wall(), version=before.version + 1)
        assert await together(calls) == [(confirmed, clock.wall())] * 64
        assert (await store.get(PUBLIC, "h")).record == confirmed
        if other is not store:
            await other.close()

    async def test_many_sessions_are_confirmed_at_once_and_each_as_alone(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        scopes, names = [PUBLIC, Scope("a", "b"), Scope("b", "a")], [f"h-{n}" for n in range(22)]
        for scope in scopes:
            await together(partial(store.insert, scope, new_session(name, f"{scope} {name}")) for name in names)
        ended = await store.end(PUBLIC, names[:3], EndReason.REVOKED)
        clock.advance(1000)
        asked = [(scope, Seen(handle=name, generation=n % 2)) for n, name in enumerate(names) for scope in scopes]
        results = await together(partial(store.confirm, *each) for each in asked)
        for (scope, seen), found in zip(asked, results, strict=True):
            assert isinstance(found, Found)
            assert found == await store.get(scope, seen.handle)
            assert found.record is not None
            assert found.record.user_id == f"{scope} {seen.handle}"
            is_live = scope != PUBLIC or seen.handle not in ended
            assert found.record.confirmed_at == (clock.wall() if is_live and seen.generation == 0 else None)

    async def test_what_is_written_at_the_same_time_stays_and_outdates_what_was_read(self, store: AsyncStore) -> None:
        names = [f"h-{n}" for n in range(16)]
        for name in names:
            await store.insert(PUBLIC, new_session(name))
        read = [(await store.get(PUBLIC, name)).record for name in names]
        changed = [replace(record, session_data=b'{"n":1}') for record in read if record is not None]
        writes = [partial(store.replace, PUBLIC, record) for record in changed]
        uses = [partial(store.confirm, PUBLIC, Seen(handle=name, generation=0)) for name in names]
        results = await together(call for pair in zip(writes, uses, strict=True) for call in pair)
        for name, written in zip(names, results[::2], strict=True):
            record, now = await store.get(PUBLIC, name)
            assert record is not None
            assert record.confirmed_at == now
            assert (record.session_data, record.version) == ((b'{"n":1}', 3) if written else (b"{}", 2))

    async def test_a_confirmation_outdates_what_was_read_before_it(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        found = await store.confirm(PUBLIC, Seen(handle="h", generation=0))
        assert not await store.replace(PUBLIC, replace(record, session_data=b'{"n":1}'))
        assert await store.get(PUBLIC, "h") == found
