"""Isolation."""

from __future__ import annotations

from itertools import product

from msgspec.structs import replace

from reseal._async.ports import AsyncStore
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Scope
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests, sessions_of
from reseal.testing.material import hash_of, new_session, step


class AsyncIsolationSuite(AsyncStoreTests):
    async def test_apps_and_tenants_never_meet(self, store: AsyncStore) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b", "a-b"), ("b", "a", "b-a"))]
        for scope in scopes:
            record = await store.insert(scope, new_session(session_data=f'{{"of":"{scope}"}}'.encode()))
            assert record is not None
            assert await sessions_of(store, scope, "user") == (record,)
        for n, scope in enumerate(scopes):
            others = [s for s in scopes if s != scope]
            before = [await store.get(s, "h") for s in others]
            rotated = await store.rotate(scope, step(successor_hash=hash_of(f"of {n}")))
            assert rotated is not None
            assert await store.replace(scope, replace(rotated, jwt_payload=b'{"changed":1}'))
            if n % 2:
                assert await store.end(scope, ["h"], EndReason.REVOKED) == ("h",)
            else:
                assert await store.end_user(scope, "user", EndReason.USER_REVOKED) == ("h",)
            assert await sessions_of(store, scope, "user") == ()
            assert [await store.get(s, "h") for s in others] == before

    async def test_what_is_in_no_other_scope_is_absent_there(self, store: AsyncStore) -> None:
        record = await store.insert(PUBLIC, new_session())
        assert record is not None
        for scope in (Scope("public", "other"), Scope("other", "public"), Scope("PUBLIC", "public")):
            assert (await store.get(scope, "h")).record is None
            assert await store.rotate(scope, step()) is None
            assert (await store.confirm(scope, Seen(handle="h", generation=0))).record is None
            assert not await store.replace(scope, record)
            assert await store.end(scope, ["h"], EndReason.REVOKED) == ()
            assert await store.end_user(scope, "user", EndReason.REVOKED) == ()
            assert await sessions_of(store, scope, "user") == ()
        assert (await store.get(PUBLIC, "h")).record == record
