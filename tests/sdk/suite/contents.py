"""What a session holds: the payload, which travels in the access token, and the data, which stay with the service."""

from __future__ import annotations

from tests.sdk.core import SESSION_LIFE
from tests.sdk.suite.replies import accepted, of_those


class Contents:
    @of_those(lambda sdk: sdk.changes_payload)
    def test_the_payload_of_a_session_can_be_changed(self, site):
        browser, created = site.signed_in()
        changed = browser.put("/payload", {"role": "editor", "nested": {"null": None, "list": [1, "ä"]}})
        assert accepted(changed)
        assert changed.new_access_token
        for _ in range(2):
            payload = browser.get("/verify").body["payload"]
            assert payload["role"] == "editor"
            assert payload["nested"] == {"null": None, "list": [1, "ä"]}
            assert accepted(browser.refresh())
        assert browser.get(f"/sessions/{created.body['handle']}").body["payload"]["role"] == "editor"

    @of_those(lambda sdk: sdk.changes_payload)
    def test_a_payload_changed_by_handle_arrives_with_the_next_refresh(self, site):
        browser, created = site.signed_in()
        assert accepted(browser.put(f"/sessions/{created.body['handle']}/payload", {"role": "owner"}))
        assert browser.get("/verify").body["payload"]["role"] == "reader"
        assert accepted(browser.refresh())
        assert browser.get("/verify").body["payload"]["role"] == "owner"

    def test_the_data_of_a_session_stays_with_the_service(self, site, sdk):
        browser, created = site.signed_in(data={"cart": {"items": [1, 2], "note": "ünï"}})
        assert browser.get("/data").body == {"cart": {"items": [1, 2], "note": "ünï"}}
        assert accepted(browser.put("/data", {"cart": None}))
        assert browser.get("/data").body == {"cart": None}
        assert accepted(browser.refresh())
        assert browser.get("/data").body == {"cart": None}
        assert browser.get(f"/sessions/{created.body['handle']}").body["data"] == {"cart": None}

    @of_those(lambda sdk: sdk.session_info)
    def test_everything_is_known_about_a_session(self, site, clock):
        before = clock.wall()
        browser, created = site.signed_in()
        info = browser.get(f"/sessions/{created.body['handle']}").body
        assert (info["userId"], info["data"]) == (created.body["userId"], {"cart": 1})
        assert info["payload"]["role"] == "reader"
        assert before <= info["timeCreated"] <= clock.wall()
        assert info["expiry"] == info["timeCreated"] + SESSION_LIFE
