"""A browser whose answers get lost is the same browser, and shows it by the key that it made before it asked."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext

from reseal import EventName
from tests.browser.site import CHECKED, EACH_WAY, Site, in_step, open_tab

pytestmark = [pytest.mark.asyncio(loop_scope="session"), EACH_WAY]

GENERATIONS = 6


async def test_a_browser_that_loses_every_answer_and_comes_back_late_is_never_accused(
    site: Site, context: BrowserContext
) -> None:
    tab = await open_tab(context, site)
    await tab.sign_in()
    for _ in range(GENERATIONS):
        site.expire()
        site.line.forget()
        held = site.line.hold(site.refresh_path)
        call = tab.calling(CHECKED)
        await held.arrived()
        await tab.page.close()
        with pytest.raises(Exception, match="closed"):
            await call
        await held.given_up()
        held.release()
        site.leave_race_window()
        tab = await open_tab(context, site)
        assert (await tab.call(CHECKED))["status"] == 200
        keys = {each.header("idempotency-key") for each in site.refreshes}
        assert len(site.refreshes) >= 2
        assert len(keys) == 1
        assert None not in keys
        await in_step(tab)
    assert len(site.events.named(EventName.SESSION_REPLAYED)) == GENERATIONS
    assert site.events.named(EventName.TOKEN_THEFT) == site.events.named(EventName.REFRESH_REFUSED) == []
