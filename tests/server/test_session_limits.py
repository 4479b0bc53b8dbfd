"""The absolute limit, the response to theft and the lost-response window, over the core-driver interface."""

import pytest

from reseal.core.errors import ConfigurationError
from reseal.core.events import EventName
from reseal.server.config import ServiceSettings
from tests.server.material import MINUTE, SECOND, core

APPS = "/recipe/multitenancy/app/v2"
VERSIONS = ["1.0", "2.20", "5.4", "5.6"]


def rt(answer):
    return answer["refreshToken"]["token"]


def at(answer):
    return answer["accessToken"]["token"]


async def confirm(it, cdi, answer):
    """Use a token pair, which under the older versions takes a call, and under 5.6 a refresh."""
    return await it.refresh(rt(answer), cdi=cdi) if cdi == "5.6" else await it.verify(at(answer), cdi=cdi)


@pytest.mark.parametrize("cdi", VERSIONS)
async def test_refreshing_does_not_move_the_absolute_limit(cdi):
    async with core(session_absolute_timeout=120) as it:
        created = await it.create(cdi=cdi)
        end = created["refreshToken"]["createdTime"] + 120 * MINUTE
        assert created["refreshToken"]["expiry"] == end
        it.clock.advance(119 * MINUTE)
        refreshed = await it.refresh(rt(created), cdi=cdi)
        assert refreshed["refreshToken"]["expiry"] == end
        it.clock.advance(MINUTE)
        assert (await it.refresh(rt(refreshed), cdi=cdi))["status"] == "UNAUTHORISED"


@pytest.mark.parametrize("cdi", VERSIONS)
async def test_no_access_token_outlives_the_absolute_limit_of_its_session(cdi):
    async with core(session_absolute_timeout=90) as it:
        created = await it.create(cdi=cdi)
        end = created["refreshToken"]["expiry"]
        assert created["accessToken"]["expiry"] == created["accessToken"]["createdTime"] + 60 * MINUTE
        it.clock.advance(80 * MINUTE)
        refreshed = await it.refresh(rt(created), cdi=cdi)
        assert refreshed["accessToken"]["expiry"] == end
        verified = await it.verify(at(refreshed), cdi=cdi)
        assert verified.get("accessToken", refreshed["accessToken"])["expiry"] == end
        it.clock.advance(10 * MINUTE + SECOND)
        assert (await it.verify(at(refreshed), cdi=cdi))["status"] == "TRY_REFRESH_TOKEN"


@pytest.mark.parametrize("cdi", VERSIONS)
@pytest.mark.parametrize(
    ("response", "session_lives", "others_live"),
    [("report", True, True), ("revoke_session", False, True), ("revoke_user", False, False)],
)
async def test_theft_is_answered_as_configured(cdi, response, session_lives, others_live):
    async with core(theft_response=response, refresh_token_rotation_grace_period=0) as it:
        other = await it.create(cdi=cdi)
        created = await it.create(cdi=cdi)
        child = await it.refresh(rt(created), cdi=cdi)
        await confirm(it, cdi, child)
        it.clock.advance(SECOND)
        assert (await it.refresh(rt(created), cdi=cdi))["status"] == "TOKEN_THEFT_DETECTED"
        assert EventName.TOKEN_THEFT in [event.name for event in it.events]
        live = await it.get(f"{'' if cdi == '1.0' else '/recipe'}/session/user", cdi=cdi, userId="user-1")
        handles = {"session": created["session"]["handle"], "other": other["session"]["handle"]}
        found = {name for name, handle in handles.items() if handle in live["sessionHandles"]}
        assert found == {name for name, lives in (("session", session_lives), ("other", others_live)) if lives}


@pytest.mark.parametrize(("after", "status"), [(60 * SECOND - 1, "OK"), (60 * SECOND, "TOKEN_THEFT_DETECTED")])
async def test_a_lost_reply_may_be_asked_for_within_its_window_from_5_6_on(after, status):
    async with core(lost_response_window=60, refresh_token_rotation_grace_period=0) as it:
        created = await it.create(cdi="5.6")
        await it.refresh(rt(created), cdi="5.6")
        it.clock.advance(after)
        assert (await it.refresh(rt(created), cdi="5.6"))["status"] == status
        older = await it.create(cdi="5.4")
        await it.refresh(rt(older))
        it.clock.advance(after)
        assert (await it.refresh(rt(older)))["status"] == "OK", "there it is accepted until the session expires"


async def test_an_app_has_its_own_limit_and_its_own_response():
    own = {"session_absolute_timeout": 120, "theft_response": "revoke_session", "lost_response_window": 60}
    async with core() as it:
        await it.put(APPS, {"appId": "shop", "coreConfig": own})
        ends = {}
        for app in ("", "/appid-shop"):
            created = await it.create(at=app)
            ends[app] = created["refreshToken"]["expiry"] - created["refreshToken"]["createdTime"]
            child = await it.refresh(rt(created), at=app)
            await it.verify(at(child), at=app)
            it.clock.advance(31 * SECOND)
            assert (await it.refresh(rt(created), at=app))["status"] == "TOKEN_THEFT_DETECTED"
            status = "UNAUTHORISED" if app else "OK"
            assert (await it.refresh(rt(child), at=app))["status"] == status
        assert ends == {"": 144000 * MINUTE, "/appid-shop": 120 * MINUTE}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"session_absolute_timeout": 60}, "'session_absolute_timeout' must be longer than 'access_token_validity'"),
        ({"lost_response_window": -1}, "'lost_response_window' must be between 0 seconds and 100 years"),
        ({"theft_response": "shout"}, "'theft_response' must be one of report, revoke_session, revoke_user"),
        ({"theft_response": "hold"}, "'theft_response' must be one of report, revoke_session, revoke_user"),
    ],
)
async def test_a_limit_that_cannot_hold_is_refused_by_name_for_the_service_and_for_an_app(config, text):
    with pytest.raises(ConfigurationError) as caught:
        ServiceSettings(**config)
    assert caught.value.problems[0].startswith(text)
    async with core() as it:
        answer = await it.call("PUT", APPS, {"appId": "shop", "coreConfig": config})
        assert answer.problem == (400, f"Invalid core config: {text}")
