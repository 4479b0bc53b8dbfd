# Generated from src/reseal/testing/_async/store_suites/rotating.py by tools/unasync.py; edit that file instead.
"""Rotate."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.model import Device, EndReason, SessionRecord
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests, MakeStore
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, hash_of, new_session, step


class RotateSuite(StoreTests):
    def test_rotating_advances_the_line_by_one_and_keeps_the_rest(
        self, store: Store, clock: ManualClock
    ) -> None:
        before = store.insert(PUBLIC, new_session(jwt_payload=b'{"a":1}', session_data=b'{"b":2}'))
        assert before is not None
        clock.advance(1000)
        after = store.rotate(PUBLIC, step())
        assert after == replace(
            before,
            generation=1,
            current_hash=hash_of("h/1"),
            previous_hash=hash_of("h/0"),
            successor_sealed=b"sealed 1",
            rotated_at=clock.wall(),
            last_seen_at=clock.wall(),
            expires_at=clock.wall() + HOUR,
            device=Device("192.0.2.2", "Browser/2"),
            version=before.version + 1,
        )
        assert (store.get(PUBLIC, "h")).record == after

    def test_the_successor_is_unconfirmed_and_the_registers_move_on(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert (record.replayed, record.collided, record.estranged, record.attempt_hash) == (0, 0, 0, None)
        full = 2**32 - 1
        marked = replace(record, confirmed_at=record.created_at, replayed=full, collided=5, estranged=1)
        assert store.replace(PUBLIC, marked)
        rotated = store.rotate(PUBLIC, step())
        assert rotated is not None
        assert rotated.confirmed_at is None
        assert (rotated.replayed, rotated.collided, rotated.estranged) == (full - 1, 10, 2)

    def test_each_step_keeps_the_hash_of_its_own_attempt_key(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.insert(PUBLIC, new_session("other"))
        for generation, attempt_hash in enumerate([hash_of("key"), None, hash_of("another")]):
            own = step(generation=generation, attempt_hash=attempt_hash)
            beside = step("other", generation, attempt_hash=hash_of("beside"))
            results = together(partial(store.rotate, PUBLIC, s) for s in (own, beside))
            assert [r.attempt_hash for r in results if isinstance(r, SessionRecord)] == [
                attempt_hash,
                hash_of("beside"),
            ]
            kept = (store.get(PUBLIC, "h")).record
            assert kept is not None
            assert kept.attempt_hash == attempt_hash

    @pytest.mark.parametrize("callers", [2, 64])
    def test_only_the_first_of_several_rotators_wins(self, store: Store, callers: int) -> None:
        for generation in range(5):
            if generation == 0:
                store.insert(PUBLIC, new_session(token_hash=hash_of("line 0")))
            steps = [
                step(presented_hash=hash_of(f"line {generation}"), successor_sealed=str(n).encode())
                if n
                else step(presented_hash=hash_of(f"line {generation}"))
                for n in range(callers)
            ]
            steps = [replace(s, successor_hash=hash_of(f"line {generation + 1}")) for s in steps]
            results = together(partial(store.rotate, PUBLIC, s) for s in steps)
            winners = [r for r in results if isinstance(r, SessionRecord)]
            assert len(winners) == 1
            assert results.count(None) == callers - 1
            assert winners[0].generation == generation + 1
            assert (store.get(PUBLIC, "h")).record == winners[0]

    def test_only_one_rotator_wins_over_several_openings_of_the_same_data(
        self, store: Store, make_store: MakeStore, clock: ManualClock
    ) -> None:
        other = make_store(clock)
        other.open()
        store.insert(PUBLIC, new_session())
        steps = [step(successor_hash=hash_of(str(n))) for n in range(32)]
        results = together(partial((store, other)[n % 2].rotate, PUBLIC, s) for n, s in enumerate(steps))
        assert [r for r in results if isinstance(r, BaseException)] == []
        assert sum(r is not None for r in results) == 1
        if other is not store:
            other.close()

    def test_rotate_refuses_a_hash_that_is_not_current(self, store: Store) -> None:
        assert store.rotate(PUBLIC, step()) is None
        store.insert(PUBLIC, new_session())
        after = store.rotate(PUBLIC, step())
        assert store.rotate(PUBLIC, step()) is None
        assert store.rotate(PUBLIC, step(presented_hash=hash_of("another"))) is None
        assert store.rotate(PUBLIC, step(presented_hash=b"")) is None
        assert (store.get(PUBLIC, "h")).record == after

    def test_rotate_refuses_an_ended_session(self, store: Store) -> None:
        store.insert(PUBLIC, new_session())
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        before = store.get(PUBLIC, "h")
        assert store.rotate(PUBLIC, step()) is None
        assert store.get(PUBLIC, "h") == before

    @pytest.mark.parametrize(("late_by", "refused"), [(-1, False), (0, True), (1, True)])
    @pytest.mark.parametrize("absolute_ms", [None, HOUR])
    def test_rotate_refuses_a_session_from_its_end_on(
        self, store: Store, clock: ManualClock, absolute_ms: int | None, late_by: int, *, refused: bool
    ) -> None:
        store.insert(PUBLIC, new_session(absolute_ms=absolute_ms))
        clock.advance(HOUR + late_by)
        assert (store.rotate(PUBLIC, step()) is None) is refused

    def test_the_idle_end_slides_but_not_past_the_absolute_end(
        self, store: Store, clock: ManualClock
    ) -> None:
        begun = store.insert(PUBLIC, new_session(absolute_ms=3 * HOUR))
        assert begun is not None
        for generation in range(5):
            clock.advance(HOUR // 2)
            record = store.rotate(PUBLIC, step(generation=generation))
            assert record is not None
            assert record.absolute_expires_at == begun.absolute_expires_at
            assert record.expires_at == min(clock.wall() + HOUR, begun.created_at + 3 * HOUR)
        clock.advance(HOUR // 2)
        assert store.rotate(PUBLIC, step(generation=5)) is None
