"""Replace."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.model import Device, EndReason
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests
from reseal.testing._async.waiting import together
from reseal.testing.material import DAY, HOUR, hash_of, new_session, step


class AsyncReplaceSuite(AsyncStoreTests):
    async def test_replace_writes_what_it_is_given_and_counts_the_version_up(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
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
        assert await store.replace(PUBLIC, changed)
        assert (await store.get(PUBLIC, "h")).record == replace(changed, version=record.version + 1)

    async def test_replace_happens_only_on_the_version_that_was_read(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        assert await store.replace(PUBLIC, replace(record, session_data=b'{"n":1}'))
        before = await store.get(PUBLIC, "h")
        assert not await store.replace(PUBLIC, replace(record, session_data=b'{"n":2}'))
        assert await store.get(PUBLIC, "h") == before

    async def test_replace_of_an_absent_session_writes_nothing(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        assert not await store.replace(PUBLIC, replace(record, handle="absent"))
        assert (await store.get(PUBLIC, "absent")).record is None

    async def test_a_step_of_the_line_outdates_what_was_read_before_it(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        rotated = await store.rotate(PUBLIC, step())
        assert not await store.replace(PUBLIC, record)
        assert (await store.get(PUBLIC, "h")).record == rotated

    async def test_what_was_read_before_the_end_does_not_revive_a_session(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        await store.end(PUBLIC, ["h"], EndReason.REVOKED)
        assert not await store.replace(PUBLIC, record)
        ended = (await store.get(PUBLIC, "h")).record
        assert ended is not None
        assert ended.end_reason is EndReason.REVOKED

    async def test_of_many_who_replace_one_version_one_does(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        texts = [f'{{"n":{n}}}'.encode() for n in range(32)]
        results = await together(partial(store.replace, PUBLIC, replace(record, session_data=t)) for t in texts)
        assert results.count(True) == 1
        assert results.count(False) == len(texts) - 1
        written = (await store.get(PUBLIC, "h")).record
        assert written == replace(record, session_data=texts[results.index(True)], version=record.version + 1)

    async def test_only_replace_moves_a_session_with_a_policy_on(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session(policy="staff", absolute_ms=DAY))
        assert record is not None
        assert record.policy == "staff"
        assert await store.rotate(PUBLIC, step()) is None
        moved = replace(
            record,
            generation=1,
            current_hash=hash_of("h/1"),
            previous_hash=hash_of("h/0"),
            absolute_expires_at=record.created_at + HOUR,
            expires_at=record.created_at + HOUR,
        )
        assert await store.replace(PUBLIC, moved)
        assert (await store.get(PUBLIC, "h")).record == replace(moved, version=record.version + 1)
        assert await store.adopted() == (0, None)

    async def test_many_that_move_one_session_with_a_policy_on_do_so_once(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session(policy="staff"))
        assert record is not None
        moved = replace(record, generation=1, current_hash=hash_of("h/1"), previous_hash=hash_of("h/0"))
        results = await together(partial(store.replace, PUBLIC, moved) for _ in range(20))
        assert sorted(results, key=bool) == [False] * 19 + [True]

    async def test_a_session_that_was_given_a_policy_is_moved_on_by_replace_alone(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        assert await store.replace(PUBLIC, replace(record, policy="staff"))
        assert (await store.get(PUBLIC, "h")).record == replace(record, policy="staff", version=record.version + 1)
        assert await store.rotate(PUBLIC, step()) is None
        assert await store.replace(PUBLIC, replace(record, version=record.version + 1))
        assert await store.rotate(PUBLIC, step()) is not None
