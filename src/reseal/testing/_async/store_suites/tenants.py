# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Tenants."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

from reseal._async.paging import changed_tenants
from reseal._async.ports import AsyncStore
from reseal.core.model import EndReason, Scope, TenantChanges
from reseal.testing._async.store_suites.base import JSON_TEXTS, PUBLIC, AsyncStoreTests, sessions_of, tenants_of
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session, stored_key


class AsyncTenantSuite(AsyncStoreTests):
    async def test_tenants_of_all_apps_are_read_oldest_first(self, store: AsyncStore, clock: ManualClock) -> None:
        assert (await store.changed_tenants()).there == ()
        scopes = [Scope("b", "public"), Scope("a", "public"), Scope("a", "z"), Scope("a", "A"), Scope("public", "b")]
        for scope in scopes:
            assert await store.put_tenant(scope, JSON_TEXTS[0])
            clock.advance(1)
        assert await tenants_of(store) == [(scope, JSON_TEXTS[0]) for scope in scopes]

    @pytest.mark.parametrize("config", JSON_TEXTS, ids=lambda text: f"{len(text)} bytes")
    async def test_a_tenant_put_again_has_the_new_configuration_and_its_old_place(
        self, store: AsyncStore, clock: ManualClock, config: bytes
    ) -> None:
        first, second = Scope("app", "first"), Scope("app", "second")
        for scope in (first, second):
            assert await store.put_tenant(scope, b'{"old":1}')
            clock.advance(1)
        assert not await store.put_tenant(first, config)
        assert await tenants_of(store) == [(first, config), (second, b'{"old":1}')]

    async def test_of_many_who_put_one_tenant_one_creates_it(self, store: AsyncStore) -> None:
        configs = [f'{{"n":{n}}}'.encode() for n in range(16)]
        results = await together(partial(store.put_tenant, PUBLIC, config) for config in configs)
        assert results.count(True) == 1
        assert results.count(False) == len(configs) - 1
        [tenant] = (await store.changed_tenants()).there
        assert tenant.config in configs

    async def test_a_removed_tenant_takes_its_sessions_with_it_and_nothing_else(self, store: AsyncStore) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b"), ("public", "one", "two"))]
        for scope in scopes:
            await store.put_tenant(scope, b"{}")
            await store.insert(scope, new_session("live"))
            await store.insert(scope, new_session("ended"))
            await store.end(scope, ["ended"], EndReason.REVOKED)
        for app in ("a", "b"):
            await store.add_key(app, stored_key())
        gone, others = Scope("a", "one"), [scope for scope in scopes if scope != Scope("a", "one")]
        before = [await store.get(scope, "live") for scope in others]
        assert await store.remove_tenant(gone)
        assert {tenant.scope for tenant in (await store.changed_tenants()).there} == set(others)
        assert [(await store.get(gone, handle)).record for handle in ("live", "ended")] == [None, None]
        assert await sessions_of(store, gone, "user") == ()
        assert [await store.get(scope, "live") for scope in others] == before
        assert await store.keys("a") == await store.keys("b") == (stored_key(),)

    async def test_the_keys_of_an_app_go_with_its_tenant_public(self, store: AsyncStore) -> None:
        for app in ("a", "b"):
            await store.put_tenant(Scope(app, "public"), b"{}")
            await store.put_tenant(Scope(app, "one"), b"{}")
            await store.add_key(app, stored_key())
        assert await store.remove_tenant(Scope("a", "public"))
        assert await store.keys("a") == ()
        assert await store.keys("b") == (stored_key(),)
        assert Scope("a", "one") in {tenant.scope for tenant in (await store.changed_tenants()).there}
        assert await store.add_key("a", stored_key())

    async def test_a_tenant_is_removed_once(self, store: AsyncStore) -> None:
        assert not await store.remove_tenant(Scope("absent", "public"))
        await store.put_tenant(Scope("app", "one"), b"{}")
        results = await together(partial(store.remove_tenant, Scope("app", "one")) for _ in range(8))
        assert results.count(True) == 1
        assert results.count(False) == 7
        assert (await store.changed_tenants()).there == ()

    async def test_a_tenant_made_again_begins_empty_and_is_the_youngest(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        first, second = Scope("app", "first"), Scope("app", "second")
        for scope in (first, second):
            await store.put_tenant(scope, b'{"old":1}')
            await store.insert(scope, new_session())
            clock.advance(1)
        await store.remove_tenant(first)
        assert await store.put_tenant(first, b"{}")
        assert [tenant.scope for tenant in (await store.changed_tenants()).there] == [second, first]
        assert (await store.get(first, "h")).record is None
        assert await store.insert(first, new_session()) is not None

    async def test_only_what_changed_since_a_revision_is_read_again(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        one, two, three = (Scope("app", tenant) for tenant in ("one", "two", "three"))
        for scope in (one, two, three):
            await store.put_tenant(scope, b"{}")
            clock.advance(1)
        known = await store.changed_tenants()
        assert (known.since, [tenant.scope for tenant in known.there], known.gone) == (0, [one, two, three], ())
        assert await store.changed_tenants(known.revision) == TenantChanges(known.revision, known.revision, ())
        await store.put_tenant(two, b'{"new":1}')
        await store.remove_tenant(three)
        changed = await store.changed_tenants(known.revision)
        assert (changed.since, changed.gone, changed.more) == (known.revision, (three,), False)
        assert [(tenant.scope, tenant.config) for tenant in changed.there] == [(two, b'{"new":1}')]
        await store.put_tenant(three, b'{"again":1}')
        again = await store.changed_tenants(known.revision)
        assert {tenant.scope for tenant in again.there} == {two, three}
        assert again.gone == ()
        await store.remove_tenant(Scope("app", "never"))
        assert (await store.changed_tenants(again.revision)).there == ()
        assert (await store.changed_tenants(again.revision)).revision == again.revision

    async def test_changes_of_tenants_are_read_in_pages_and_none_is_missed(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        one, two, three, four, five = scopes = [
            Scope("app", tenant) for tenant in ("one", "two", "three", "four", "five")
        ]
        for scope in scopes:
            await store.put_tenant(scope, b"{}")
            clock.advance(1)
        await store.put_tenant(one, b'{"new":1}')
        first = await store.changed_tenants(0, 2)
        assert (first.since, [tenant.scope for tenant in first.there], first.more) == (0, [two, three], True)
        await store.remove_tenant(two)
        await store.put_tenant(three, b'{"new":1}')
        second = await store.changed_tenants(first.revision, 2)
        assert ([tenant.scope for tenant in second.there], second.more) == ([four, five], True)
        third = await store.changed_tenants(second.revision, 2)
        assert ([tenant.scope for tenant in third.there], third.gone) == ([one, three], (two,))
        assert not third.more
        assert await store.changed_tenants(third.revision, 2) == TenantChanges(third.revision, third.revision, ())
        whole = await changed_tenants(store, 0)
        assert [tenant.scope for tenant in whole.there] == [one, three, four, five]
        assert (whole.since, whole.gone, whole.revision) == (0, (), third.revision)

    async def test_a_revision_that_the_store_has_not_reached_counts_as_none(self, store: AsyncStore) -> None:
        await store.put_tenant(PUBLIC, b"{}")
        everything = await store.changed_tenants()
        assert await store.changed_tenants(everything.revision + 5) == everything

    async def test_nobody_who_reads_while_others_write_misses_a_change(self, store: AsyncStore) -> None:
        seen: dict[Scope, bytes] = {}
        revision, scopes = 0, [Scope("app", f"t{n}") for n in range(12)]

        async def follow(_: Scope | None = None) -> None:
            nonlocal revision
            changes = await store.changed_tenants(revision)
            revision = changes.revision
            seen.update({tenant.scope: tenant.config for tenant in changes.there})
            for scope in changes.gone:
                seen.pop(scope, None)

        async def write(scope: Scope) -> None:
            await store.put_tenant(scope, b'{"first":1}')
            await store.put_tenant(scope, b'{"second":1}')
            if scope in scopes[::3]:
                await store.remove_tenant(scope)

        for batch in (scopes[:4], scopes[4:8], scopes[8:]):
            calls = [partial(write, scope) for scope in batch]
            await together([*calls[:2], partial(follow, None), *calls[2:]])
        await follow()
        assert seen == {tenant.scope: tenant.config for tenant in (await store.changed_tenants()).there}
        assert set(seen) == set(scopes) - set(scopes[::3])
