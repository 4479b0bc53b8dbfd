# Generated from src/reseal/testing/_async/store_suites/keys.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Keys."""

from __future__ import annotations

from functools import partial

from reseal._sync.ports import Store
from reseal.testing._sync.store_suites.base import StoreTests
from reseal.testing._sync.waiting import together
from reseal.testing.material import stored_key


class KeySuite(StoreTests):
    def test_the_first_key_of_its_name_stays(self, store: Store) -> None:
        first = stored_key(secret=bytes(range(256)))
        assert store.keys("public") == ()
        assert store.add_key("public", first)
        assert not store.add_key("public", first)
        assert not store.add_key("public", stored_key(secret=b"another"))
        assert store.keys("public") == (first,)
        assert store.add_key("other", stored_key(secret=b"another"))
        assert store.keys("public") == (first,)

    def test_of_many_who_add_one_key_one_does(self, store: Store) -> None:
        offered = [stored_key(secret=bytes([n])) for n in range(16)]
        results = together(partial(store.add_key, "public", key) for key in offered)
        assert results.count(True) == 1
        assert results.count(False) == 15
        assert store.keys("public") == (offered[results.index(True)],)

    def test_a_key_s_secret_is_replaced_if_it_is_the_one_that_was_read(self, store: Store) -> None:
        first, other = stored_key(secret=b"first"), stored_key("other")
        for key in (first, other):
            store.add_key("public", key)
        store.add_key("app", first)
        assert store.replace_key("public", first, b"second")
        assert not store.replace_key("public", first, b"third")
        assert not store.replace_key("public", stored_key("absent"), b"third")
        assert set(store.keys("public")) == {first._replace(secret=b"second"), other}
        assert store.keys("app") == (first,)

    def test_removed_keys_are_gone_and_absent_ones_are_left_out(self, store: Store) -> None:
        for kid in ("a", "b", "c"):
            store.add_key("public", stored_key(kid))
        store.add_key("other", stored_key("a"))
        store.remove_keys("public", iter(["a", "absent", "c"]))
        store.remove_keys("public", [])
        assert store.keys("public") == (stored_key("b"),)
        assert store.keys("other") == (stored_key("a"),)
        assert store.add_key("public", stored_key("a", secret=b"new"))
