"""The ready-made routes for lists of devices."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import Event, EventName, Settings
from reseal.devices import SessionInfo, ShownDevice
from tests.frameworks.conftest import EACH_STORE, OpenSite
from tests.frameworks.site import EVIL, HOUR, MINUTE, Browser, Site, cleared

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "list-of-devices.md").read_text("utf-8")
SECRETS = {"jwt_payload", "session_data", "current_hash", "previous_hash", "successor_sealed", "attempt_hash"}


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(device_list=True)


async def listed(browser: Browser) -> list[dict]:
    response = await browser.get("/sessions")
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return response.json()["sessions"]


@EACH_STORE
async def test_a_user_lists_names_and_ends_sessions(open_site: OpenSite) -> None:
    site = await open_site(device_list=True)
    here, there = await site.signed_in(), site.browser()
    await there.send("POST", "/login", [("user-agent", PHONE)], json={"user_id": "alice"})
    await site.signed_in("bob")
    assert {each["handle"] for each in await listed(here)} == {here.handle, there.handle}
    [own] = [each for each in await listed(here) if each["current"]]
    assert own["handle"] == here.handle
    assert not SECRETS & own.keys()
    [other] = [each for each in await listed(here) if not each["current"]]
    assert other["device"]["kind"] == "phone"
    assert other["first_device"]["user_agent"] == PHONE
    named = await here.send("PUT", f"/sessions/{there.handle}", json={"name": "Old phone"})
    assert named.json() == {"status": "OK"}
    assert "Old phone" in {each.get("name") for each in await listed(there)}
    ended = await here.send("DELETE", f"/sessions/{there.handle}")
    assert ended.json() == {"status": "OK"}
    live, gone = await listed(here)
    assert live["handle"] == here.handle
    assert (gone["handle"], gone["end_reason"], gone["end_note"]) == (
        there.handle,
        "revoked",
        "signed out from another device",
    )
    refused = await there.refresh()
    assert refused.json() == {
        "message": "unauthorised",
        "reason": "revoked",
        "note": "signed out from another device",
    }


# S48
async def test_an_entry_has_the_documented_members_and_no_secret(site: Site) -> None:
    [table] = re.findall(r"^\| member \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    documented = {name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert documented == set(SessionInfo.__struct_fields__)
    assert set(ShownDevice.__struct_fields__) == {"label", "kind", "address", "user_agent", "place"}
    alice, other = await site.signed_in(jwt_payload={"role": "admin"}), await site.signed_in()
    await other.sign_out()
    shown = (await alice.get("/sessions")).text
    assert {name for each in json.loads(shown)["sessions"] for name in each} <= documented
    record = (await site.store.get(site.settings.scope, alice.handle)).record
    for secret in ("admin", alice.refresh_token, alice.access, record.current_hash.hex()):
        assert secret not in shown


async def test_all_others_end_and_the_one_that_asks_stays(site: Site) -> None:
    browsers = [await site.signed_in() for _ in range(4)]
    bob = await site.signed_in("bob")
    response = await browsers[0].post("/sessions/end-others")
    assert response.json() == {"status": "OK", "ended": 3}
    assert await site.live("alice") == {browsers[0].handle}
    assert await site.live("bob") == {bob.handle}


async def test_ending_the_own_session_signs_out(site: Site) -> None:
    browser = await site.signed_in()
    response = await browser.send("DELETE", f"/sessions/{browser.handle}")
    assert response.json() == {"status": "OK"}
    assert cleared(response)
    assert await site.live("alice") == set()


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
async def test_the_sessions_of_others_are_no_sessions(site: Site, method: str) -> None:
    alice, bob = await site.signed_in(), await site.signed_in("bob")
    for handle in (bob.handle, "absent", "%00", "x" * 900):
        response = await alice.send(method, f"/sessions/{handle}", json={"name": "mine"})
        assert (response.status_code, response.json()) == (404, {"message": "no such session"})
    assert await site.live("bob") == {bob.handle}
    assert [each.get("name") for each in await listed(bob)] == [None]


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/sessions/{}"), ("PUT", "/sessions/{}"), ("POST", "/sessions/end-others")]
)
async def test_a_foreign_page_changes_nothing(site: Site, method: str, path: str) -> None:
    alice, other = await site.signed_in(), await site.signed_in()
    for origin in (EVIL, None):
        response = await alice.send(method, path.format(other.handle), origin=origin, json={"name": "theirs"})
        assert response.status_code == 401
    assert await site.live("alice") == {alice.handle, other.handle}
    assert [each.get("name") for each in await listed(alice)] == [None, None]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/sessions"), ("DELETE", "/sessions/{}"), ("PUT", "/sessions/{}"), ("POST", "/sessions/end-others")],
)
async def test_a_session_that_has_ended_sees_and_ends_none(site: Site, method: str, path: str) -> None:
    alice, other = await site.signed_in(), await site.signed_in()
    await site.reseal.sessions.revoke_session_using_session_handle(alice.handle)
    for browser in (alice.copy(), site.browser()):
        response = await browser.send(method, path.format(other.handle), json={"name": "mine"})
        assert response.status_code == 401
    assert await site.live("alice") == {other.handle}


async def test_whoever_acts_for_a_user_sees_the_sessions_and_changes_none(site: Site) -> None:
    async def act(request: Request) -> Response:
        await site.reseal.impersonate(request, "alice", reason="ticket 4711")
        return JSONResponse({})

    site.app.router.add_route("/act", act, methods=["POST"])
    alice, staff = await site.signed_in(), await site.signed_in("sam")
    for nobody in (alice, staff, site.browser()):
        assert (await nobody.get("/sessions/impersonation")).json() == {"actor": None}
    assert (await staff.post("/act")).status_code == 200
    shown = await staff.get("/sessions/impersonation")
    assert shown.json() == {"actor": "sam", "user_id": "alice", "ends_in": 30 * MINUTE}
    assert {each.get("actor") for each in await listed(staff)} == {None, "sam"}
    for method, path in (
        ("DELETE", f"/sessions/{alice.handle}"),
        ("PUT", f"/sessions/{alice.handle}"),
        ("POST", "/sessions/end-others"),
    ):
        refused = await staff.send(method, path, json={"name": "theirs"})
        assert refused.status_code == 403
        assert refused.json()["claimValidationErrors"][0]["id"] == "act"
    assert [each.get("name") for each in await listed(alice) if each["current"]] == [None]
    assert alice.handle in await site.live("alice")
    assert (await staff.send("POST", "/sessions/impersonation/stop", origin=EVIL)).status_code == 401
    assert (await staff.post("/sessions/impersonation/stop")).json() == {"status": "OK"}
    assert await site.live("alice") == {alice.handle}
    await staff.refresh()
    assert (await staff.get("/sessions/impersonation")).json() == {"actor": None}
    assert (await staff.post("/sessions/impersonation/stop")).status_code == 400
    site.clock.advance(HOUR)
    assert (await staff.get("/sessions/impersonation")).json() == {"message": "try refresh token"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name": 5}', b"[]", b"\xff", b'{"name": "two\\nlines"}'])
async def test_only_a_name_is_a_name(site: Site, body: bytes) -> None:
    alice = await site.signed_in()
    headers = [("content-type", "application/json")]
    response = await alice.send("PUT", f"/sessions/{alice.handle}", headers, content=body)
    assert response.status_code == 400
    assert [each.get("name") for each in await listed(alice)] == [None]


async def test_sessions_that_ended_longer_ago_are_not_shown(open_site: OpenSite) -> None:
    site = await open_site(device_list=True, ended_sessions_listed=90)
    alice, other = await site.signed_in(), await site.signed_in()
    await other.sign_out()
    assert [each.get("end_reason") for each in await listed(alice)] == [None, "signed_out"]
    site.clock.advance(2 * HOUR)
    await alice.refresh()
    assert [each.get("end_reason") for each in await listed(alice)] == [None]


async def test_the_script_of_the_element_knows_the_paths(open_site: OpenSite) -> None:
    site = await open_site(device_list=True, sessions_api_path="/account/devices", public_path_prefix="/api")
    response = await site.browser().get("/account/devices/element.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert '{"list":"/api/account/devices","refresh":"/api/session/refresh"}' in response.text
    alice = await site.signed_in()
    assert (await alice.get("/account/devices")).status_code == 200
    assert (await alice.get("/sessions")).status_code == 404


async def test_without_the_setting_there_are_no_such_routes(open_site: OpenSite) -> None:
    site = await open_site()
    alice = await site.signed_in()
    for method, path in (("GET", "/sessions"), ("DELETE", f"/sessions/{alice.handle}")):
        assert (await alice.send(method, path)).status_code == 404
    assert await site.live("alice") == {alice.handle}


def test_the_paths_of_the_routes_are_apart() -> None:
    for key, path in (("signout_api_path", "/sessions"), ("signout_api_path", "/sessions/impersonation/stop")):
        with pytest.raises(Exception, match="must differ from"):
            Settings(api_domain="https://api.example.com", device_list=True, **{key: path})
        Settings(api_domain="https://api.example.com", **{key: path})
    elsewhere = {"access_token_path": "/api", "signout_api_path": "/api/out"}
    Settings(api_domain="https://api.example.com", **elsewhere)
    Settings(api_domain="https://api.example.com", **elsewhere, device_list=True, sessions_api_path="/api/sessions")
    with pytest.raises(Exception, match="'sessions_api_path' must lie under 'access_token_path'"):
        Settings(api_domain="https://api.example.com", **elsewhere, device_list=True)


@EACH_STORE
async def test_a_sign_in_from_a_new_device_is_an_event(open_site: OpenSite) -> None:
    site = await open_site(new_device_events=True, event_outbox="security")
    for agent in (PHONE, PHONE.replace("18_5", "19_0"), "curl/8"):
        await site.browser().send("POST", "/login", [("user-agent", agent)], json={"user_id": "alice"})
    told = [(each.reason, each.user_id, each.device.user_agent) for each in site.events.of(EventName.NEW_DEVICE)]
    assert told == [("first", "alice", PHONE), ("client", "alice", "curl/8")]
    kept: list[Event] = []

    async def take(event: Event) -> None:
        kept.append(event)

    await site.reseal.sessions.deliver_events("mailer", take)
    assert [(each.reason, each.user_id, each.device.user_agent) for each in kept] == told


async def test_without_details_of_clients_no_device_is_new(open_site: OpenSite) -> None:
    site = await open_site(new_device_events=True, client_details="none")
    await site.signed_in()
    assert site.events.of(EventName.NEW_DEVICE) == []
