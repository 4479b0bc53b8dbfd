# Generated from src/reseal/testing/_async/store_suites/replacing.py by tools/unasync.py; edit that file instead.
"""Replace."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from reseal._sync.ports import Store
from reseal.core.model import Device, EndReason
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests
from reseal.testing._sync.waiting import together
from reseal.testing.material import DAY, HOUR, hash_of, new_session, step


class ReplaceSuite(StoreTests):
    def test_replace_writes_what_it_is_given_and_counts_the_version_up(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        changed = replace(
            record,
            confirmed_at=5,
            attempt_hash=hash_of("key"),
            replayed=2**32 - 1,
            collided=2,
            estranged=3,
            jwt_payload=b'{"a":1}',
            session_data=b'{"b":2}',
            use_static_key=not record.use_static_key,
            last_seen_at=8,
            device=Device(None, None),
        )
        assert store.replace(PUBLIC, changed)
        assert (store.get(PUBLIC, "h")).record == replace(changed, version=record.version + 1)

    def test_replace_happens_only_on_the_version_that_was_read(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert store.replace(PUBLIC, replace(record, session_data=b'{"n":1}'))
        before = store.get(PUBLIC, "h")
        assert not store.replace(PUBLIC, replace(record, session_data=b'{"n":2}'))
        assert store.get(PUBLIC, "h") == before

    def test_replace_of_an_absent_session_writes_nothing(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert not store.replace(PUBLIC, replace(record, handle="absent"))
        assert (store.get(PUBLIC, "absent")).record is None

    def test_a_step_of_the_line_outdates_what_was_read_before_it(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        rotated = store.rotate(PUBLIC, step())
        assert not store.replace(PUBLIC, record)
        assert (store.get(PUBLIC, "h")).record == rotated

    def test_what_was_read_before_the_end_does_not_revive_a_session(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert not store.replace(PUBLIC, record)
        ended = (store.get(PUBLIC, "h")).record
        assert ended is not None
        assert ended.end_reason is EndReason.REVOKED

    def test_of_many_who_replace_one_version_one_does(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        texts = [f'{{"n":{n}}}'.encode() for n in range(32)]
        results = together(partial(store.replace, PUBLIC, replace(record, session_data=t)) for t in texts)
        assert results.count(True) == 1
        assert results.count(False) == len(texts) - 1
        written = (store.get(PUBLIC, "h")).record
        assert written == replace(record, session_data=texts[results.index(True)], version=record.version + 1)

    def test_only_replace_moves_a_session_with_a_policy_on(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session(policy="staff", absolute_ms=DAY))
        assert record is not None
        assert record.policy == "staff"
        assert store.rotate(PUBLIC, step()) is None
        moved = replace(
            record,
            generation=1,
            current_hash=hash_of("h/1"),
            previous_hash=hash_of("h/0"),
            absolute_expires_at=record.created_at + HOUR,
            expires_at=record.created_at + HOUR,
        )
        assert store.replace(PUBLIC, moved)
        assert (store.get(PUBLIC, "h")).record == replace(moved, version=record.version + 1)
        assert store.adopted() == (0, None)

    def test_many_that_move_one_session_with_a_policy_on_do_so_once(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session(policy="staff"))
        assert record is not None
        moved = replace(record, generation=1, current_hash=hash_of("h/1"), previous_hash=hash_of("h/0"))
        results = together(partial(store.replace, PUBLIC, moved) for _ in range(20))
        assert sorted(results, key=bool) == [False] * 19 + [True]

    def test_a_session_that_was_given_a_policy_is_moved_on_by_replace_alone(self, store: Store) -> None:
        record = store.insert(PUBLIC, new_session())
        assert record is not None
        assert store.replace(PUBLIC, replace(record, policy="staff"))
        assert (store.get(PUBLIC, "h")).record == replace(record, policy="staff", version=record.version + 1)
        assert store.rotate(PUBLIC, step()) is None
        assert store.replace(PUBLIC, replace(record, version=record.version + 1))
        assert store.rotate(PUBLIC, step()) is not None
