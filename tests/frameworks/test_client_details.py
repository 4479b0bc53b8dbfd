"""What is known of a client's address and user agent, once less is wanted."""

from __future__ import annotations

import pytest

from reseal.log import as_json
from tests.frameworks.conftest import EACH_STORE, OpenSite
from tests.frameworks.site import EVIL, HOUR, REFRESH_PATH

AGENT = "TellTale/7.0"
ADDRESS = "127.0.0.1"  # that of the test's transport


@EACH_STORE
@pytest.mark.parametrize(
    ("details", "known"),
    [
        ("full", {ADDRESS, AGENT}),
        ("truncated", {"127.0.0.0/24", AGENT}),
        ("no_address", {AGENT}),
        ("none", set()),
    ],
)
async def test_no_more_than_is_wanted_is_kept_reported_or_logged(
    open_site: OpenSite, details: str, known: set[str]
) -> None:
    site = await open_site(client_details=details)
    browser, named = site.browser(), [("user-agent", AGENT)]
    await browser.send("POST", "/login", named, json={"user_id": "alice"})
    site.clock.advance(2 * HOUR)
    await browser.send("POST", REFRESH_PATH, named)
    await browser.send("POST", REFRESH_PATH, named, origin=EVIL)
    stored = repr(site.rows())
    said = " ".join(as_json(event) for event in site.events.seen)
    for text in {ADDRESS, "127.0.0.0/24", AGENT}:
        assert (text in stored, text in said) == (text in known, text in known)
