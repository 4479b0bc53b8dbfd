"""Chromium binds a session to this device by itself, over https, with a key that it makes in software for tests."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, async_playwright

from reseal import EventName
from reseal.testing.material import DAY
from tests.browser.conftest import ARGUMENTS, OpenPages, OpenSite, chromium_path, patient
from tests.browser.line import PATIENCE
from tests.browser.published.shop import opened_shop
from tests.browser.site import CHECKED, FEED, Site, Tab, jar, open_tab, opened_site
from tests.browser.test_cross_site import API, IN_COOKIES, SAME_SITE, open_page
from tests.support.certificates import Authority

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEATURES = "--enable-features=EnableBoundSessionCredentialsSoftwareKeysForManualTesting,DeviceBoundSessions"
REFRESH_COOKIE = "__Secure-sRefreshToken"
OpenBinding = Callable[..., AbstractAsyncContextManager[BrowserContext]]


@pytest.fixture(scope="session")
def trusting_home(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose browsers trust the tests' authority: over merely tolerated certificates nothing is bound."""
    home = tmp_path_factory.mktemp("home")
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for command in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "tests", "-i", str(authority.file)]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *command], check=True, timeout=PATIENCE)
    return home


@pytest.fixture
def open_binding(trusting_home: Path, tmp_path: Path) -> OpenBinding:
    """Start a Chromium with a profile on disk that binds sessions, or with ``can=False`` one that does not know how."""

    @asynccontextmanager
    async def opened(name: str = "own", *, can: bool = True) -> AsyncIterator[BrowserContext]:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                tmp_path / name,
                executable_path=chromium_path(),
                args=[*ARGUMENTS, *([FEATURES] if can else ["--disable-features=DeviceBoundSessions"])],
                env={**os.environ, "HOME": str(trusting_home)},
                timeout=PATIENCE * 1000,
            )
            async with context:
                yield patient(context)

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def secure_site(open_site: OpenSite, certificate: Path) -> Site:
    return await open_site(certificate=certificate, device_binding="offer")


async def signed_in(context: BrowserContext, site: Site, *, binds: bool = True) -> Tab:
    tab = await open_tab(context, site)
    await sign_in(tab, binds=binds)
    return tab


async def sign_in(tab: Tab, *, binds: bool = True) -> None:
    await tab.sign_in()
    async with asyncio.timeout(PATIENCE):
        while binds and not tab.site.events.named(EventName.SESSION_BOUND):
            await tab.told()  # the browser binds it after the answer, when it likes


async def user_of(tab: Tab, path: str = CHECKED) -> str | None:
    answer = await tab.call(path)
    return json.loads(answer["body"])["user"] if answer["status"] == 200 else None


async def lose_access_cookie(context: BrowserContext, site: Site) -> None:
    """Do what time does to the cookie of an access token."""
    await context.clear_cookies(name=site.settings.access_cookie_name)


async def generation_of(site: Site) -> int:
    (record,) = await site.reseal.sessions.backend.list_user("alice")
    return record.generation


async def test_the_browser_refreshes_before_it_sends_a_call_without_the_cookie(
    secure_site: Site, open_binding: OpenBinding
) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        for generation in (1, 2):
            await lose_access_cookie(context, secure_site)
            assert await user_of(tab) == "alice"
            assert await generation_of(secure_site) == generation
        assert secure_site.refreshes == [], "no script asked for it"
        assert {each.split()[0] for each in await tab.told()} == {"SESSION_CREATED"}


async def test_a_token_that_the_server_finds_ended_is_refreshed_and_the_call_repeated(
    secure_site: Site, open_binding: OpenBinding
) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        secure_site.expire()
        assert await user_of(tab) == "alice"
        assert await generation_of(secure_site) == 1
        secure_site.expire()
        assert await tab.calls(8) == [200] * 8
    assert secure_site.events.named(EventName.TOKEN_THEFT) == []


async def test_a_page_that_knows_of_the_binding_does_not_wait_for_its_own_refresh(
    secure_site: Site, open_binding: OpenBinding
) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        secure_site.expire()
        assert await user_of(tab) == "alice"  # with the next front token the page knows
        secure_site.expire()
        held = secure_site.line.hold(secure_site.refresh_path)
        assert await user_of(tab) == "alice"
        assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION"]
        assert await generation_of(secure_site) == 2
        held.release()


async def test_a_page_learns_of_the_binding_by_its_next_call(secure_site: Site, open_binding: OpenBinding) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        assert await user_of(tab) == "alice"
        secure_site.expire()
        held = secure_site.line.hold(secure_site.refresh_path)
        assert await user_of(tab) == "alice", "its first refused call does not wait for a refresh of the page's own"
        assert await tab.told() == ["SESSION_CREATED"]
        assert await generation_of(secure_site) == 1
        held.release()


async def test_the_calls_of_a_page_on_another_host_than_its_api_are_refreshed_for(
    open_binding: OpenBinding, open_pages: OpenPages, certificate: Path, tmp_path: Path
) -> None:
    pages = await open_pages(host=SAME_SITE, certificate=certificate)
    place = {"host": API, "certificate": certificate, "website_domain": pages.origin}
    async with opened_shop(tmp_path, **place, device_binding="offer") as site, open_binding() as context:
        tab = await open_page(context, site, pages.origin, IN_COOKIES)
        await sign_in(tab)
        await lose_access_cookie(context, site)
        assert (await user_of(tab), await generation_of(site)) == ("alice", 1)
        site.expire()
        assert (await user_of(tab), await generation_of(site)) == ("alice", 2)
        assert "SESSION_EXPIRED" not in await tab.told()


async def test_several_tabs_refresh_one_session(secure_site: Site, open_binding: OpenBinding) -> None:
    async with open_binding() as context:
        first = await signed_in(context, secure_site)
        tabs = [first, *[await open_tab(context, secure_site) for _ in range(3)]]
        await lose_access_cookie(context, secure_site)
        assert await asyncio.gather(*[user_of(tab) for tab in tabs]) == ["alice"] * 4
    assert secure_site.events.named(EventName.TOKEN_THEFT) == []
    assert secure_site.events.named(EventName.BINDING_REFUSED) == []


async def test_copied_cookies_end_with_the_access_token_and_the_owner_notices_nothing(
    secure_site: Site, open_binding: OpenBinding
) -> None:
    async with open_binding() as own, open_binding("other") as other:
        tab = await signed_in(own, secure_site)
        await other.add_cookies(await own.cookies())  # type: ignore[misc]
        thief = await open_tab(other, secure_site)
        assert await user_of(thief) == "alice", "until the access token ends"
        secure_site.expire()
        assert await user_of(thief) is None
        assert await user_of(tab) == "alice"
        assert "SESSION_EXPIRED elsewhere" not in await tab.told()
    assert secure_site.events.named(EventName.TOKEN_THEFT) == []


async def test_a_browser_that_cannot_bind_goes_on_as_before(secure_site: Site, open_binding: OpenBinding) -> None:
    async with open_binding(can=False) as context:
        tab = await signed_in(context, secure_site, binds=False)
        for generation in (1, 2):
            secure_site.expire()
            assert await user_of(tab) == "alice"
            assert await generation_of(secure_site) == generation == len(secure_site.refreshes)
    assert secure_site.events.named(EventName.SESSION_BOUND) == []


async def test_a_store_that_is_down_signs_nobody_out(secure_site: Site, open_binding: OpenBinding) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        await lose_access_cookie(context, secure_site)
        secure_site.store.down = True
        assert (await tab.call(FEED)).get("status") != 200
        secure_site.store.down = False
        async with asyncio.timeout(PATIENCE):
            while await user_of(tab) != "alice":  # it tries again when it likes
                assert REFRESH_COOKIE in await jar(context)
    assert secure_site.events.named(EventName.TOKEN_THEFT) == []


async def test_the_session_is_bound_again_after_the_browser_was_closed(
    secure_site: Site, open_binding: OpenBinding
) -> None:
    async with open_binding() as context:
        await signed_in(context, secure_site)
    async with open_binding() as context:
        await lose_access_cookie(context, secure_site)
        assert await user_of(await open_tab(context, secure_site)) == "alice"
        assert await generation_of(secure_site) == 1


async def test_new_keys_and_a_restart_of_the_server_change_nothing_for_a_bound_session(
    open_binding: OpenBinding, certificate: Path, tmp_path: Path
) -> None:
    kept = {"certificate": certificate, "device_binding": "offer", "database_uri": f"sqlite:///{tmp_path}/sessions.db"}
    before, after = (base64.b64encode(os.urandom(48)).decode() for _ in range(2))
    async with open_binding() as context:
        async with opened_site(**kept, secret_key=before) as site:
            tab = await signed_in(context, site)
            site.clock.advance(8 * DAY)  # the next signing key is in use
            assert await user_of(tab) == "alice"
            assert await generation_of(site) == 1
        port = int(site.origin.rpartition(":")[2])
        async with opened_site(**kept, port=port, secret_key=after, accepted_secret_keys=before) as again:
            again.clock.advance(8 * DAY)
            assert await user_of(tab) == "alice"
            assert await generation_of(again) == 2
            assert again.events.named(EventName.BINDING_REFUSED) == []
        assert "SESSION_EXPIRED" not in await tab.told()


async def test_the_end_of_a_session_ends_it_in_the_browser(secure_site: Site, open_binding: OpenBinding) -> None:
    async with open_binding() as context:
        tab = await signed_in(context, secure_site)
        await secure_site.reseal.sessions.revoke_all_sessions_for_user("alice")
        await lose_access_cookie(context, secure_site)
        assert await user_of(tab) is None
        assert (await jar(context)).keys().isdisjoint({secure_site.settings.access_cookie_name, REFRESH_COOKIE})
        await tab.sign_in("bob")
        assert await user_of(tab) == "bob"
        await tab.attempt("signOut")
        assert await user_of(tab) is None
