# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Before a moment."""

from __future__ import annotations

from itertools import product
from typing import Any

from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.model import EndReason, Scope
from reseal.core.selection import Adopted, Before, Place
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests
from reseal.testing.clock import ManualClock
from reseal.testing.material import hash_of, new_session, step


class AsyncNotBeforeSuite(AsyncStoreTests):
    async def test_sessions_before_a_moment_are_read_in_pages_by_app_tenant_and_user(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        for app, tenant, user in product("ab", "xy", "uv"):
            await store.insert(Scope(app, tenant), new_session(f"{user}-old", user))
        await store.insert(Scope("a", "x"), new_session("ended", "u"))
        await store.end(Scope("a", "x"), ["ended"], EndReason.REVOKED)
        await store.insert(Scope("a", "x"), new_session("expired", "u", idle_ms=1000))
        await store.insert(Scope("a", "x"), new_session("refreshed", "u"))
        clock.advance(1000)
        moment = clock.wall()
        await store.rotate(Scope("a", "x"), step("refreshed"))
        await store.insert(Scope("a", "y"), new_session("new", "u"))

        async def found(**which: Any) -> list[tuple[str, str]]:
            pages, after = [], Place()
            while page := await store.list_before(Before(app_id="a", moment=moment, **which), after, 2):
                pages += [(scope.tenant_id, record.handle) for scope, record in page]
                after = Place(*pages[-1])
            return pages

        assert await found() == [("x", "u-old"), ("x", "v-old"), ("y", "u-old"), ("y", "v-old")]
        assert await found(tenant_id="x") == [("x", "u-old"), ("x", "v-old")]
        assert await found(user_id="u") == [("x", "u-old"), ("y", "u-old")]
        assert await found(tenant_id="y", user_id="v") == [("y", "v-old")]
        assert await found(tenant_id="absent") == await found(tenant_id="x", user_id="\0") == []

    async def test_what_went_on_from_a_newer_token_is_no_younger_than_the_backup(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        for handle in ("adopted", "changed"):
            assert await store.insert(PUBLIC, new_session(handle)) is not None
        clock.advance(1000)
        moment = clock.wall()
        clock.advance(1000)
        assert await store.adopted() == Adopted(0, None)
        for handle, ahead in (("adopted", 3), ("changed", 0)):
            record = (await store.get(PUBLIC, handle)).record
            assert record is not None
            changed = replace(
                record, generation=ahead, rotated_at=clock.wall(), current_hash=hash_of(f"{handle}/{ahead}")
            )
            assert await store.replace(PUBLIC, changed)
        assert await store.adopted() == Adopted(1, clock.wall())
        clock.advance(1000)
        assert await store.rotate(PUBLIC, step("adopted", 3)) is not None
        found = await store.list_before(Before(app_id="public", moment=moment), Place(), 9)
        assert [record.handle for _, record in found] == ["adopted"]
        clock.advance(1000)
        assert len(await store.list_before(Before(app_id="public", moment=clock.wall()), Place(), 9)) == 2
