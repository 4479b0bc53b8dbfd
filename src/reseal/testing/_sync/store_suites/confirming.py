# Generated from src/reseal/testing/_async/store_suites/confirming.py by tools/unasync.py; edit that file instead.
"""Confirm."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Found, Scope
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, MakeStore
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, hash_of, new_session, step

BY_NUMBER = Seen(handle="h", generation=1)
BY_HASH = Seen(handle="h", current_hash=hash_of("h/1"))


class ConfirmSuite(StoreTests):
    @pytest.mark.parametrize("seen", [BY_NUMBER, BY_HASH], ids=["number", "hash"])
    def test_the_first_use_of_the_current_generation_is_dated_and_the_rest_is_kept(
        self, store: Store, clock: ManualClock, seen: Seen
    ) -> None:
        store.insert(PUBLIC, new_session(jwt_payload=b'{"a":1}', session_data=b'{"b":2}'))
        before = store.rotate(PUBLIC, step())
        assert before is not None
        clock.advance(1000)
        confirmed = replace(before, confirmed_at=clock.wall(), version=before.version + 1)
        assert store.confirm(PUBLIC, seen) == Found(confirmed, clock.wall())
        assert (store.get(PUBLIC, "h")).record == confirmed
        clock.advance(1000)
        assert store.confirm(PUBLIC, seen) == Found(confirmed, clock.wall())
        assert store.get(PUBLIC, "h") == Found(confirmed, clock.wall())

    def test_a_generation_that_is_not_the_current_one_is_not_confirmed(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        before = store.rotate(PUBLIC, step())
        seen = [Seen(handle="h", generation=n) for n in (-1, 0, 2)]
        seen += [Seen(handle="h", current_hash=each) for each in (hash_of("h/0"), hash_of("h/2"), b"")]
        results = together(partial(store.confirm, PUBLIC, each) for each in seen)
        results += [store.confirm(PUBLIC, each) for each in seen]
        now = (store.get(PUBLIC, "h")).now
        assert results == [Found(before, now)] * 2 * len(seen)
        assert (store.get(PUBLIC, "h")).record == before

    def test_the_next_generation_is_confirmed_by_itself(self, store: Store, clock: ManualClock) -> None:
        store.insert(PUBLIC, new_session())
        for generation in range(3):
            found = store.confirm(PUBLIC, Seen(handle="h", generation=generation))
            assert found.record is not None
            assert (found.record.generation, found.record.confirmed_at) == (generation, clock.wall())
            assert found.record.version == 2 * generation + 2
            clock.advance(1000)
            rotated = store.rotate(PUBLIC, step(generation=generation))
            assert rotated is not None
            assert rotated.confirmed_at is None

    def test_an_ended_session_is_not_confirmed(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        before = store.get(PUBLIC, "h")
        assert store.confirm(PUBLIC, Seen(handle="h", generation=0)) == before
        assert store.get(PUBLIC, "h") == before

    @pytest.mark.parametrize(("late_by", "confirmed"), [(-1, True), (0, False), (1, False)])
    @pytest.mark.parametrize("absolute_ms", [None, HOUR])
    def test_a_session_is_not_confirmed_from_its_end_on(
        self, store: Store, clock: ManualClock, absolute_ms: int | None, late_by: int, *, confirmed: bool
    ) -> None:
        store.insert(PUBLIC, new_session(absolute_ms=absolute_ms))
        clock.advance(HOUR + late_by)
        found = store.confirm(PUBLIC, Seen(handle="h", generation=0))
        assert found == store.get(PUBLIC, "h")
        assert found.record is not None
        assert (found.record.confirmed_at is not None) is confirmed

    @pytest.mark.parametrize("handle", ["absent", "", "h\0", "\ud800"], ids=ascii)
    def test_where_there_is_no_session_nothing_is_confirmed(
        self, store: Store, clock: ManualClock, handle: str
    ) -> None:
        record = store.insert(PUBLIC, new_session())
        assert store.confirm(PUBLIC, Seen(handle=handle, generation=0)) == (None, clock.wall())
        both = [Seen(handle=each, generation=5) for each in ("h", handle)]
        found = together(partial(store.confirm, PUBLIC, each) for each in both)
        assert found == [(record, clock.wall()), (None, clock.wall())]

    def test_of_many_who_use_one_generation_one_confirms_it_and_all_see_it(
        self, store: Store, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        other.open()
        store.insert(PUBLIC, new_session())
        before = store.rotate(PUBLIC, step())
        assert before is not None
        calls = [partial((store, other)[n % 2].confirm, PUBLIC, (BY_NUMBER, BY_HASH)[n // 2 % 2]) for n in range(64)]
        confirmed = replace(before, confirmed_at=clock.wall(), version=before.version + 1)
        assert together(calls) == [(confirmed, clock.wall())] * 64
        assert (store.get(PUBLIC, "h")).record == confirmed
        if other is not store:
            other.close()

    def test_many_sessions_are_confirmed_at_once_and_each_as_alone(
        self, store: Store, clock: ManualClock
    ) -> None:
        scopes, names = [PUBLIC, Scope("a", "b"), Scope("b", "a")], [f"h-{n}" for n in range(22)]
        for scope in scopes:
            together(partial(store.insert, scope, new_session(name, f"{scope} {name}")) for name in names)
        ended = store.end(PUBLIC, names[:3], EndReason.REVOKED)
        clock.advance(1000)
        asked = [(scope, Seen(handle=name, generation=n % 2)) for n, name in enumerate(names) for scope in scopes]
        results = together(partial(store.confirm, *each) for each in asked)
        for (scope, seen), found in zip(asked, results, strict=True):
            assert isinstance(found, Found)
            assert found == store.get(scope, seen.handle)
            assert found.record is not None
            assert found.record.user_id == f"{scope} {seen.handle}"
            is_live = scope != PUBLIC or seen.handle not in ended
            assert found.record.confirmed_at == (clock.wall() if is_live and seen.generation == 0 else None)

    def test_what_is_written_at_the_same_time_stays_and_outdates_what_was_read(self, store: Store) -> None:
        names = [f"h-{n}" for n in range(16)]
        for name in names:
            store.insert(PUBLIC, new_session(name))
        read = [(store.get(PUBLIC, name)).record for name in names]
        changed = [replace(record, session_data=b'{"n":1}') for record in read if record is not None]
        writes = [partial(store.replace, PUBLIC, record) for record in changed]
        uses = [partial(store.confirm, PUBLIC, Seen(handle=name, generation=0)) for name in names]
        results = together(call for pair in zip(writes, uses, strict=True) for call in pair)
        for name, written in zip(names, results[::2], strict=True):
            record, now = store.get(PUBLIC, name)
            assert record is not None
            assert record.confirmed_at == now
            assert (record.session_data, record.version) == ((b'{"n":1}', 3) if written else (b"{}", 2))

    def test_a_confirmation_outdates_what_was_read_before_it(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        found = store.confirm(PUBLIC, Seen(handle="h", generation=0))
        assert not store.replace(PUBLIC, replace(record, session_data=b'{"n":1}'))
        assert store.get(PUBLIC, "h") == found
