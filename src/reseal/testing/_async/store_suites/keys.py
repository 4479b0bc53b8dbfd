# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Keys."""

from __future__ import annotations

from functools import partial

from reseal._async.ports import AsyncStore
from reseal.testing._async.store_suites.base import AsyncStoreTests
from reseal.testing._async.waiting import together
from reseal.testing.material import stored_key


class AsyncKeySuite(AsyncStoreTests):
    async def test_the_first_key_of_its_name_stays(self, store: AsyncStore) -> None:
        first = stored_key(secret=bytes(range(256)))
        assert await store.keys("public") == ()
        assert await store.add_key("public", first)
        assert not await store.add_key("public", first)
        assert not await store.add_key("public", stored_key(secret=b"another"))
        assert await store.keys("public") == (first,)
        assert await store.add_key("other", stored_key(secret=b"another"))
        assert await store.keys("public") == (first,)

    async def test_of_many_who_add_one_key_one_does(self, store: AsyncStore) -> None:
        offered = [stored_key(secret=bytes([n])) for n in range(16)]
        results = await together(partial(store.add_key, "public", key) for key in offered)
        assert results.count(True) == 1
        assert results.count(False) == 15
        assert await store.keys("public") == (offered[results.index(True)],)

    async def test_a_key_s_secret_is_replaced_if_it_is_the_one_that_was_read(self, store: AsyncStore) -> None:
        first, other = stored_key(secret=b"first"), stored_key("other")
        for key in (first, other):
            await store.add_key("public", key)
        await store.add_key("app", first)
        assert await store.replace_key("public", first, b"second")
        assert not await store.replace_key("public", first, b"third")
        assert not await store.replace_key("public", stored_key("absent"), b"third")
        assert set(await store.keys("public")) == {first._replace(secret=b"second"), other}
        assert await store.keys("app") == (first,)

    async def test_removed_keys_are_gone_and_absent_ones_are_left_out(self, store: AsyncStore) -> None:
        for kid in ("a", "b", "c"):
            await store.add_key("public", stored_key(kid))
        await store.add_key("other", stored_key("a"))
        await store.remove_keys("public", iter(["a", "absent", "c"]))
        await store.remove_keys("public", [])
        assert await store.keys("public") == (stored_key("b"),)
        assert await store.keys("other") == (stored_key("a"),)
        assert await store.add_key("public", stored_key("a", secret=b"new"))
