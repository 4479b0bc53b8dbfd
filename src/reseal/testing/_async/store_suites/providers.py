"""Logouts that an identity provider tells."""

from __future__ import annotations

from functools import partial

import pytest

from reseal._async.ports import AsyncStore
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import Report
from reseal.core.providers import ProviderEnd, ProviderLogout, ProviderSession, logout
from reseal.core.selection import UserPlace
from reseal.devices import about
from reseal.testing._async.store_suites.base import PUBLIC, AsyncStoreTests
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, new_session

ISSUER = "https://login.example"
REPLAYED = ProviderEnd(is_replayed=True)


async def begin(
    store: AsyncStore, handle: str, sub: str = "alice", sid: str | None = "s1", iss: str = ISSUER, scope: Scope = PUBLIC
) -> None:
    device = new_session().device
    kept = about.beginning(device, ProviderSession(iss, sub, sid))
    assert await store.insert(scope, new_session(handle, f"user of {handle}", about=kept)) is not None


async def is_live(store: AsyncStore, handle: str, scope: Scope = PUBLIC) -> bool:
    return bool(await store.list_user(scope, f"user of {handle}", UserPlace(), 10))


class AsyncProviderSuite(AsyncStoreTests):
    def told(
        self, clock: ManualClock, sub: str | None = None, sid: str | None = None, jti: str = "1", iss: str = ISSUER
    ) -> ProviderLogout:
        return logout(iss, sub, sid, jti, clock.wall())

    async def test_all_sessions_of_a_provider_session_end_and_no_others(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        for handle in ("a", "b"):
            await begin(store, handle)
        await begin(store, "other-sid", sid="s2")
        await begin(store, "no-sid", sub="bob", sid=None)
        await begin(store, "other-issuer", iss="https://other.example")
        await store.insert(PUBLIC, new_session("plain", "user of plain"))
        for sub in (None, "alice"):
            done = await store.end_by_provider(PUBLIC, self.told(clock, sub, "s1", jti=str(sub)))
            assert sorted(done.ended) == (["a", "b"] if sub is None else [])
        for handle in ("other-sid", "no-sid", "other-issuer", "plain"):
            assert await is_live(store, handle)
        record = (await store.get(PUBLIC, "a")).record
        assert record is not None
        assert (record.end_reason, record.ended_at) == (EndReason.PROVIDER_LOGOUT, clock.wall())
        assert record.successor_sealed is None

    async def test_all_sessions_of_a_user_end(self, store: AsyncStore, clock: ManualClock) -> None:
        await begin(store, "a")
        await begin(store, "b", sid="s2")
        await begin(store, "c", sid=None)
        await begin(store, "bob", sub="bob")
        assert sorted((await store.end_by_provider(PUBLIC, self.told(clock, "alice"))).ended) == ["a", "b", "c"]
        assert await is_live(store, "bob")

    async def test_a_session_id_that_the_sign_in_did_not_say_ends_those_of_the_user_that_may_be_meant(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await begin(store, "said-nothing", sid=None)
        await begin(store, "other-sid", sid="s2")
        await begin(store, "bob", sub="bob", sid=None)
        assert await store.end_by_provider(PUBLIC, self.told(clock, sid="s1", jti="0")) == ProviderEnd()
        assert (await store.end_by_provider(PUBLIC, self.told(clock, "alice", "s1"))).ended == ("said-nothing",)
        assert await is_live(store, "other-sid")
        assert await is_live(store, "bob")

    async def test_a_session_of_another_user_is_not_ended_and_nothing_is_claimed(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        await begin(store, "a")
        assert await store.end_by_provider(PUBLIC, self.told(clock, "bob", "s1")) == ProviderEnd(is_of_another=True)
        assert await is_live(store, "a")
        assert (await store.end_by_provider(PUBLIC, self.told(clock, "alice", "s1"))).ended == ("a",)

    async def test_the_same_logout_ends_later_sessions_no_more(self, store: AsyncStore, clock: ManualClock) -> None:
        first = self.told(clock, "alice")
        assert await store.end_by_provider(PUBLIC, first) == ProviderEnd()
        await begin(store, "a")
        assert await store.end_by_provider(PUBLIC, first) == REPLAYED
        assert await is_live(store, "a")
        assert (await store.end_by_provider(PUBLIC, self.told(clock, "alice", jti="2"))).ended == ("a",)

    async def test_of_many_callers_one_carries_a_logout_out(self, store: AsyncStore, clock: ManualClock) -> None:
        await begin(store, "a")
        calls = [partial(store.end_by_provider, PUBLIC, self.told(clock, sid="s1")) for _ in range(10)]
        done = [each for each in await together(calls) if isinstance(each, ProviderEnd)]
        assert sorted(done) == sorted([ProviderEnd(("a",)), *[REPLAYED] * 9])

    async def test_what_was_ended_already_is_not_named_again(self, store: AsyncStore, clock: ManualClock) -> None:
        await begin(store, "a")
        await store.end(PUBLIC, ["a"], EndReason.SIGNED_OUT)
        assert await store.end_by_provider(PUBLIC, self.told(clock, sid="s1")) == ProviderEnd()
        record = (await store.get(PUBLIC, "a")).record
        assert record is not None
        assert record.end_reason is EndReason.SIGNED_OUT

    async def test_tenants_do_not_end_sessions_of_each_other(self, store: AsyncStore, clock: ManualClock) -> None:
        other = Scope("public", "other")
        await begin(store, "a", scope=other)
        assert await store.end_by_provider(PUBLIC, self.told(clock, sid="s1")) == ProviderEnd()
        assert await is_live(store, "a", scope=other)
        assert (await store.end_by_provider(other, self.told(clock, sid="s1"))).ended == ("a",)

    async def test_a_renamed_and_rotated_session_is_still_found(self, store: AsyncStore, clock: ManualClock) -> None:
        await begin(store, "a")
        record = (await store.get(PUBLIC, "a")).record
        assert record is not None
        assert await store.replace(PUBLIC, about.named(record, "my laptop"))
        assert (await store.end_by_provider(PUBLIC, self.told(clock, sid="s1"))).ended == ("a",)

    @pytest.mark.parametrize("sub", ["alice", None])
    async def test_a_claim_is_forgotten_after_its_time(
        self, store: AsyncStore, clock: ManualClock, sub: str | None
    ) -> None:
        first = self.told(clock, sub, "s1")
        assert await store.end_by_provider(PUBLIC, first) == ProviderEnd()
        clock.advance(HOUR)
        assert await store.end_by_provider(PUBLIC, first) == REPLAYED
        await store.purge(100)
        assert await store.end_by_provider(PUBLIC, self.told(clock, sub, "s1")) == ProviderEnd()

    async def test_each_ended_session_is_reported(self, store: AsyncStore, clock: ManualClock) -> None:
        await begin(store, "a")
        await store.read_events("test", 10)
        reports = (Report(name=EventName.SESSION_REVOKED, reason=EndReason.PROVIDER_LOGOUT.value),)
        await store.end_by_provider(PUBLIC, self.told(clock, sid="s1"), reports)
        await store.end_by_provider(PUBLIC, self.told(clock, sid="s1"), reports)
        [event] = (await store.read_events("test", 10)).events
        assert (event.name, event.session_handle, event.user_id) == (EventName.SESSION_REVOKED, "a", "user of a")
        assert event.reason == "provider_logout"
