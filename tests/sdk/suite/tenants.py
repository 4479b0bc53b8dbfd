"""Sessions of tenants."""

from __future__ import annotations

from tests.sdk.suite.replies import UNAUTHORISED, accepted, of_those


class Tenants:
    @of_those(lambda sdk: sdk.tenants)
    def test_a_session_belongs_to_a_tenant(self, site, sdk):
        user = site.user()
        browser = site.browser()
        assert browser.put("/tenants/shop", {}).body["status"] == "OK"
        here, at_home = site.signed_in(user)
        there, at_shop = site.signed_in(user, tenantId="shop")
        assert at_shop.body["payload"]["tId"] == "shop"
        both = {at_home.body["handle"], at_shop.body["handle"]}
        assert set(browser.get("/handles", userId=user).body) == both
        assert browser.get("/handles", userId=user, tenantId="shop").body == [at_shop.body["handle"]]
        assert accepted(there.refresh())
        assert there.get("/verify").new_access_token
        assert accepted(there.put("/data", {"cart": 3}))
        assert there.get("/data").body == {"cart": 3}
        if sdk.revokes_by_tenant:
            assert browser.delete(f"/users/{user}", tenantId="shop").body == [at_shop.body["handle"]]
        else:
            assert browser.delete(f"/sessions/{at_shop.body['handle']}").body is True
        assert there.refresh().refusal == UNAUTHORISED
        assert accepted(here.refresh())
