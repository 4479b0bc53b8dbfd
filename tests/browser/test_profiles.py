"""Profiles and private windows: each has its own session, and none knows of another's."""

from __future__ import annotations

import asyncio
import json

import pytest

from reseal import EventName
from tests.browser.conftest import OpenProfile
from tests.browser.site import CHECKED, EACH_WAY, TOKENS, Site, Tab, open_tab

pytestmark = [pytest.mark.asyncio(loop_scope="session"), EACH_WAY]


async def user_of(tab: Tab) -> str | None:
    answer = await tab.call(CHECKED)
    return json.loads(answer["body"])["user"] if answer["status"] == 200 else None


async def test_two_users_in_two_profiles_never_meet(site: Site, open_profile: OpenProfile) -> None:
    async with open_profile("hers") as hers, open_profile("his") as his:
        alice, bob = tabs = [await open_tab(each, site) for each in (hers, his)]
        handles = [await alice.sign_in("alice"), await bob.sign_in("bob")]
        for generation in (1, 2):
            site.expire()
            assert await asyncio.gather(*[user_of(tab) for tab in tabs]) == ["alice", "bob"]
            assert [(await site.row(each)).generation for each in handles] == [generation] * 2
        assert await alice.attempt("signOut") == {"value": None}
        assert [await user_of(tab) for tab in tabs] == [None, "bob"]
        assert "SESSION_EXPIRED elsewhere" not in await bob.told()
    assert site.events.named(EventName.TOKEN_THEFT) == []


async def test_a_private_window_begins_and_ends_without_a_session_and_leaves_the_profiles_own_alone(
    site: Site, open_profile: OpenProfile
) -> None:
    async with open_profile("hers") as profile:
        own = await open_tab(profile, site)
        handle = await own.sign_in("alice")
        for _ in range(2):
            assert profile.browser is not None
            async with await profile.browser.new_context() as private:
                tab = await open_tab(private, site)
                assert await tab.attempt("doesSessionExist") == {"value": False}
                assert await tab.tokens() == {}
                await tab.sign_in("bob")
                site.expire()
                assert await asyncio.gather(user_of(own), user_of(tab)) == ["alice", "bob"]
        assert await user_of(own) == "alice"
        assert {each.split()[0] for each in await own.told()} == {"SESSION_CREATED", "REFRESH_SESSION"}
        assert (await site.row(handle)).generation == 2


async def test_a_session_is_there_again_after_the_browser_was_closed(site: Site, open_profile: OpenProfile) -> None:
    async with open_profile("hers") as profile:
        tab = await open_tab(profile, site)
        handle = await tab.sign_in()
        before = await tab.tokens()
    site.expire()
    async with open_profile("hers") as profile:
        tab = await open_tab(profile, site)
        assert await tab.tokens() == before
        assert before.keys() == TOKENS
        assert await tab.attempt("doesSessionExist") == {"value": True}
        assert await user_of(tab) == "alice"
    assert (await site.row(handle)).generation == 1
