"""Notes."""

from __future__ import annotations

from functools import partial

from reseal._async.ports import AsyncStore
from reseal.core.notes import Note
from reseal.testing._async.store_suites.base import AsyncStoreTests, MakeStore
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock


class AsyncNoteSuite(AsyncStoreTests):
    async def test_a_note_is_absent_until_it_is_written(self, store: AsyncStore) -> None:
        assert await store.read_note("webhook:crm") is None
        assert await store.write_note("webhook:crm", 0, '{"a":"\N{SNOWMAN}"}')
        assert await store.read_note("webhook:crm") == Note(1, '{"a":"\N{SNOWMAN}"}')
        assert await store.read_note("webhook:other") is None

    async def test_only_who_has_read_the_last_version_writes(self, store: AsyncStore) -> None:
        assert not await store.write_note("note", 1, "too early")
        assert await store.read_note("note") is None
        assert await store.write_note("note", 0, "first")
        assert not await store.write_note("note", 0, "first once more")
        assert await store.write_note("note", 1, "second")
        for version in (0, 1, 3):
            assert not await store.write_note("note", version, "stale")
        assert await store.read_note("note") == Note(2, "second")

    async def test_of_many_writers_of_one_version_one_writes(self, store: AsyncStore) -> None:
        for version in (0, 1):
            results = await together(partial(store.write_note, "note", version, f"by {n}") for n in range(16))
            assert results.count(True) == 1
            assert await store.read_note("note") == Note(version + 1, f"by {results.index(True)}")

    async def test_large_notes_are_kept_as_they_are(self, store: AsyncStore) -> None:
        text = "ж\\u0000'\n" * 50_000
        assert await store.write_note("note", 0, text)
        assert await store.read_note("note") == Note(1, text)

    async def test_notes_are_there_after_a_restart(self, make_store: MakeStore, clock: ManualClock) -> None:
        store = make_store(clock)
        await store.open()
        await store.write_note("note", 0, "kept")
        await store.close()
        again = make_store(clock)
        await again.open()
        assert await again.read_note("note") == Note(1, "kept")
        await again.close()
