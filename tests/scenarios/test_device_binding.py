"""A browser that binds its session to the device, over every adapter: the ready-made routes are there for it."""

from __future__ import annotations

import re
from typing import Self

import httpx

from reseal import EventName
from tests.frameworks.site import ACCESS, HOUR, REFRESH, set_cookies
from tests.scenarios.conftest import BOTH_WAYS, OpenSite
from tests.scenarios.site import Site, Visitor
from tests.support.device import Device


class Bound(Visitor):
    """A visitor whose browser does what the headers ask of it; a copy of its cookies has another key."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.device = Device()
        self.challenge = ""
        self.session = ""

    def copy(self) -> Self:
        other = super().copy()
        other.challenge, other.session = self.challenge, self.session
        return other

    async def bind(self, signed_in: httpx.Response) -> httpx.Response:
        offer = signed_in.headers["secure-session-registration"]
        found = re.fullmatch(r'\(ES256 RS256\);path="([^"]+)";challenge="([^"]+)"', offer)
        assert found is not None, offer
        proof = self.device.proof(found[2], brings_key=True)
        return await self.ask(self.within(found[1]), ("secure-session-response", f'"{proof}"'))

    async def renew(self, address: str, *, with_proof: bool = True) -> httpx.Response:
        """Refresh at the address that the instructions name."""
        lines = [("sec-secure-session-id", f'"{self.session}"')]
        if with_proof:
            lines.append(("secure-session-response", self.device.proof(self.challenge, brings_key=False)))
        return await self.ask(self.within(address), *lines)

    async def ask(self, path: str, *lines: tuple[str, str]) -> httpx.Response:
        return await self.send("POST", path, lines, origin=None)

    def _keep(self, response: httpx.Response) -> None:
        super()._keep(response)
        found = re.fullmatch(r'"([^"]+)";id="([^"]+)"', response.headers.get("secure-session-challenge", ""))
        if found:
            self.challenge, self.session = found.groups()


@BOTH_WAYS
async def test_a_browser_binds_its_session_and_refreshes_it_under_a_prefix(open_site: OpenSite) -> None:
    site = await open_site(prefix="/app", device_binding="offer")
    visitor = Bound(site)
    answer = await visitor.bind(await visitor.login("alice"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["session_identifier"], told["refresh_url"]) == (visitor.handle, "/app/session/refresh/bound")
    (cookie,) = set_cookies(answer)
    assert (told["credentials"][0]["name"], cookie.name, cookie.attributes["path"]) == (ACCESS, ACCESS, "/")
    thief = visitor.copy()
    site.clock.advance(HOUR)
    assert (await thief.renew(told["refresh_url"])).status_code == 401
    for with_proof, status in ((True, 200), (False, 403), (True, 200)):
        answer = await visitor.renew(told["refresh_url"], with_proof=with_proof)
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "no-store"
    assert {place[:2] for place in visitor.jar} == {(ACCESS, "/"), (REFRESH, "/app/session/refresh")}
    assert (await visitor.get("/checked")).json()["user_id"] == "alice"
    assert (await visitor.sign_out()).status_code == 200
    assert (await thief.renew(told["refresh_url"])).json() == {"continue": False}
    assert [site.told(name) for name in (EventName.SESSION_BOUND, EventName.BINDING_REFUSED)] == [1, 1]
    assert site.told(EventName.TOKEN_THEFT) == 0
