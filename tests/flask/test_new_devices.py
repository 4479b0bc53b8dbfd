"""Sign-ins from devices that are not known."""

from __future__ import annotations

from reseal import EventName


def test_a_sign_in_from_a_new_device_is_an_event(open_site) -> None:
    site = open_site(settings={"new_device_events": True})
    for agent in ("Firefox/140", "Firefox/141", "curl/8"):
        browser = site.browser()
        browser.post("/login/alice", headers={"user-agent": agent})
    assert [each.reason for each in site.events.named(EventName.NEW_DEVICE)] == ["first", "client"]
