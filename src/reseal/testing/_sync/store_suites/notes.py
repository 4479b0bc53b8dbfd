# Generated from src/reseal/testing/_async/store_suites/notes.py by tools/unasync.py; edit that file instead.
"""Notes."""

from __future__ import annotations

from functools import partial

from reseal._sync.ports import Store
from reseal.core.notes import Note
from reseal.testing._sync.store_suites.base import StoreTests, MakeStore
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock


class NoteSuite(StoreTests):
    def test_a_note_is_absent_until_it_is_written(self, store: Store) -> None:
        assert store.read_note("webhook:crm") is None
        assert store.write_note("webhook:crm", 0, '{"a":"\N{SNOWMAN}"}')
        assert store.read_note("webhook:crm") == Note(1, '{"a":"\N{SNOWMAN}"}')
        assert store.read_note("webhook:other") is None

    def test_only_who_has_read_the_last_version_writes(self, store: Store) -> None:
        assert not store.write_note("note", 1, "too early")
        assert store.read_note("note") is None
        assert store.write_note("note", 0, "first")
        assert not store.write_note("note", 0, "first once more")
        assert store.write_note("note", 1, "second")
        for version in (0, 1, 3):
            assert not store.write_note("note", version, "stale")
        assert store.read_note("note") == Note(2, "second")

    def test_of_many_writers_of_one_version_one_writes(self, store: Store) -> None:
        for version in (0, 1):
            results = together(partial(store.write_note, "note", version, f"by {n}") for n in range(16))
            assert results.count(True) == 1
            assert store.read_note("note") == Note(version + 1, f"by {results.index(True)}")

    def test_large_notes_are_kept_as_they_are(self, store: Store) -> None:
        text = "ж\\u0000'\n" * 50_000
        assert store.write_note("note", 0, text)
        assert store.read_note("note") == Note(1, text)

    def test_notes_are_there_after_a_restart(self, make_store: MakeStore, clock: ManualClock) -> None:
        store = make_store(clock)
        store.open()
        store.write_note("note", 0, "kept")
        store.close()
        again = make_store(clock)
        again.open()
        assert again.read_note("note") == Note(1, "kept")
        again.close()
