"""The simulators of the test kit over every adapter: tabs, retries, lost responses and thieves."""

import httpx

from reseal.testing import (
    Site,
    assert_no_theft,
    assert_theft_detected,
    async_assert_catches_thieves,
    async_assert_keeps_users_signed_in,
)
from tests.scenarios.conftest import BOTH_WAYS

SIGN_IN = ("POST", "/login", {"json": {"user_id": "alice"}})


class Through(httpx.AsyncBaseTransport):
    """Sends requests to the application of a site, which its fixture has started."""

    def __init__(self, site):
        self._app = site.app

    async def handle_async_request(self, request):
        return await self._app.send(request)


@BOTH_WAYS
async def test_tabs_retries_and_lost_responses_keep_users_signed_in(site):
    described = Site.of(site.settings, sign_in=SIGN_IN)
    report = await async_assert_keeps_users_signed_in(Through(site), described, tabs=4, clock=site.clock)
    assert len(report.outcomes) == 12
    assert_no_theft(site.events)


@BOTH_WAYS
async def test_a_thief_with_a_copy_of_the_cookies_is_signed_out(site):
    await async_assert_catches_thieves(Through(site), Site.of(site.settings, sign_in=SIGN_IN), clock=site.clock)
    assert_theft_detected(site.events, "alice")
