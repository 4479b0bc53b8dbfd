"""Verify, refresh and regenerate (core interface, section 4), with our rule that a line never branches."""

from __future__ import annotations

import asyncio

import pytest

from reseal.core.events import EventName
from tests.server.material import DAY, HOUR, MINUTE, SECOND, core, opened

JWT_ERROR = "io.supertokens.session.jwt.JWT$JWTException: "
GONE = {"status": "UNAUTHORISED", "message": "Session does not exist."}
BLACKLISTED = {"status": "UNAUTHORISED", "message": "Either the session has ended or has been blacklisted"}
REFRESH_GONE = {"status": "UNAUTHORISED", "message": "Session missing in db or has expired"}
CSRF = {"enableAntiCsrf": True}
FORMAT = "io.supertokens.session.refreshToken.RefreshToken$InvalidRefreshTokenFormatException: "


def token(reply, kind="accessToken"):
    return reply[kind]["token"]


def rt(reply):
    return token(reply, "refreshToken")


# -- verify ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"{JWT_ERROR}Invalid JWT"),
        ("x", f"{JWT_ERROR}Invalid JWT"),
        ("a.b", f"{JWT_ERROR}Invalid JWT"),
        ("a.b.c", f"{JWT_ERROR}Invalid JWT"),
        ("a.b.c.d", f"{JWT_ERROR}Invalid JWT"),
        ("é.b.c", f"{JWT_ERROR}Invalid JWT"),
        ("x" * 70_000, f"{JWT_ERROR}Invalid JWT"),
        ("e30.e30.e30", f"{JWT_ERROR}JWT header missing - typ"),
        ("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIiwia2lkIjoiZC0xIn0.e30.AA", f"{JWT_ERROR}Key not found"),
    ],
)
async def test_what_is_no_token_of_ours_has_to_be_refreshed(text, message):
    async with core() as it:
        assert await it.verify(text) == {"status": "TRY_REFRESH_TOKEN", "message": message}


async def test_a_changed_token_has_to_be_refreshed():
    async with core() as it:
        for cdi in ("1.0", "2.20", "5.4"):
            head, body, signature = token(await it.create(cdi=cdi)).split(".")
            other_body = token(await it.create("user-2", cdi=cdi)).split(".")[1]
            shown = await it.verify(f"{head}.{other_body}.{signature}")
            assert shown == {"status": "TRY_REFRESH_TOKEN", "message": f"{JWT_ERROR}JWT verification failed"}
            assert (await it.verify(f"{head}.{body}.{signature}"))["status"] == "OK"


async def test_an_access_token_lives_as_long_as_configured():
    async with core(access_token_validity=60) as it:
        created = await it.create()
        it.clock.advance(60 * SECOND)
        assert (await it.verify(token(created)))["status"] == "OK"
        it.clock.advance(1)
        expired = {"status": "TRY_REFRESH_TOKEN", "message": "Access token expired"}
        assert await it.verify(token(created)) == expired


async def test_a_plain_token_is_verified_without_the_store():
    async with core() as it:
        created = await it.create()
        await it.post("/recipe/session/remove", {"sessionHandles": [created["session"]["handle"]]})
        assert (await it.verify(token(created)))["status"] == "OK"
        assert await it.verify(token(created), check_database=True) == BLACKLISTED


async def test_blacklisting_in_the_configuration_asks_the_store_for_old_versions():
    for blacklisting in (True, False):
        async with core(access_token_blacklisting=blacklisting) as it:
            created = await it.create(cdi="2.20")
            assert (await it.post("/recipe/handshake", {}, cdi="2.20"))[
                "accessTokenBlacklistingEnabled"
            ] is blacklisting
            await it.post("/recipe/session/remove", {"sessionHandles": [created["session"]["handle"]]})
            assert (await it.verify(token(created), cdi="2.20"))["status"] == ("UNAUTHORISED" if blacklisting else "OK")
            assert (await it.verify(token(created)))["status"] == "OK"


async def test_the_anti_csrf_token_has_to_be_the_one_of_the_access_token():
    failed = {"status": "TRY_REFRESH_TOKEN", "message": "anti-csrf check failed"}
    async with core() as it:
        created = await it.create(anti_csrf=True)
        right = {"antiCsrfToken": created["antiCsrfToken"]}
        assert (await it.verify(token(created), **CSRF, **right))["status"] == "OK"
        assert await it.verify(token(created), **CSRF) == failed
        assert await it.verify(token(created), **CSRF, antiCsrfToken="x") == failed
        assert await it.verify(token(created), **CSRF, antiCsrfToken="é") == failed
        assert (await it.verify(token(created), **(CSRF | {"doAntiCsrfCheck": False})))["status"] == "OK"
        assert (await it.verify(token(created)))["status"] == "OK"
        plain = await it.verify(token(await it.create()), **CSRF, **right)
        assert plain["message"].startswith("Access token does not contain all the information.")


async def test_the_first_token_after_a_refresh_is_exchanged_for_one_without_a_parent():
    async with core() as it:
        created = await it.create(anti_csrf=True, jwt={"a": 1})
        refreshed = await it.refresh(rt(created), **CSRF, antiCsrfToken=created["antiCsrfToken"])
        before = opened(token(refreshed))[1]
        assert before["parentRefreshTokenHash1"] == opened(token(created))[1]["refreshTokenHash1"]
        it.clock.advance(10 * SECOND)
        promoted = await it.verify(token(refreshed))
        after = opened(token(promoted))[1]
        assert after["parentRefreshTokenHash1"] is None
        for name in ("sessionHandle", "refreshTokenHash1", "antiCsrfToken", "sub", "a"):
            assert after[name] == before[name]
        assert after["exp"] == before["exp"] + 10
        assert "accessToken" not in await it.verify(token(promoted))
        assert "accessToken" in await it.verify(token(refreshed)), "another tab gets one too"


async def test_a_new_payload_arrives_with_the_next_verify_that_asks_the_store():
    async with core() as it:
        created = await it.create(jwt={"a": 1})
        body = {"sessionHandle": created["session"]["handle"], "userDataInJWT": {"a": 2}}
        assert await it.put("/recipe/jwt/data", body) == {"status": "OK"}
        assert (await it.verify(token(created)))["session"]["userDataInJWT"] == {"a": 1}
        shown = await it.verify(token(created), check_database=True)
        assert shown["session"]["userDataInJWT"] == {"a": 2}
        assert opened(token(shown))[1]["a"] == 2
        assert "accessToken" not in await it.verify(token(shown), check_database=True)


async def test_a_token_of_an_overtaken_branch_is_fine_until_it_expires():
    async with core() as it:
        first = await it.refresh(rt(await it.create()))
        second = await it.refresh(rt(first))
        shown = await it.verify(token(first))
        assert shown["status"] == "OK"
        assert "accessToken" not in shown
        assert "accessToken" in await it.verify(token(second))


async def test_a_promotion_without_a_session_is_refused():
    async with core() as it:
        refreshed = await it.refresh(rt(await it.create()))
        await it.post("/recipe/session/remove", {"userId": "user-1"})
        assert await it.verify(token(refreshed)) == {"status": "UNAUTHORISED", "message": "Session missing in db"}


# -- refresh --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cdi", ["1.0", "2.20", "3.0", "5.4"])
async def test_refreshing_twice_gives_the_same_child_and_never_theft(cdi):
    async with core() as it:
        created = await it.create(cdi=cdi)
        children = []
        for _ in range(4):
            it.clock.advance(7 * HOUR)
            children.append(rt(await it.refresh(rt(created), cdi=cdi)))
        assert len(set(children)) == 1
        assert children[0] != rt(created)


async def test_many_at_once_get_the_same_child_and_nobody_is_accused():
    async with core() as it:
        created = await it.create()
        children = await asyncio.gather(*(one_of_many(it, rt(created)) for _ in range(20)))
        assert len(set(children)) == 1


async def one_of_many(it, text):
    body = {"refreshToken": text, "enableAntiCsrf": False, "useDynamicSigningKey": True}
    return rt(await it.post("/recipe/session/refresh", body))


async def test_many_at_once_may_bring_the_first_token_after_a_refresh():
    async with core() as it:
        child = await it.refresh(rt(await it.create()))
        shown = await asyncio.gather(*(it.verify(token(child)) for _ in range(20)))
        assert all("accessToken" in each for each in shown)


async def test_a_lost_reply_may_be_asked_for_until_the_session_ends():
    async with core(refresh_token_validity=60 * 24) as it:
        created = await it.create()
        child = rt(await it.refresh(rt(created)))
        it.clock.advance(DAY - 1)
        assert rt(await it.refresh(rt(created))) == child
        it.clock.advance(1)
        assert await it.refresh(rt(created)) == REFRESH_GONE
        assert await it.refresh(child) == REFRESH_GONE


@pytest.mark.parametrize("window", [0, 30, 300])
async def test_using_a_child_by_verify_turns_its_parent_into_theft_when_the_window_is_over(window):
    async with core(refresh_token_rotation_grace_period=window) as it:
        created = await it.create()
        child = await it.refresh(rt(created))
        await it.verify(token(child))
        if window:
            it.clock.advance(window * SECOND - 1)
            assert rt(await it.refresh(rt(created))) == rt(child)
            it.clock.advance(1)
        stolen = await it.refresh(rt(created))
        assert stolen["status"] == "TOKEN_THEFT_DETECTED"
        assert [event.name for event in it.events][-1] == EventName.TOKEN_THEFT
        assert (await it.refresh(rt(child)))["status"] == "OK", "the service reports; the SDK decides"


async def test_using_a_child_by_refreshing_turns_its_parent_into_theft():
    async with core() as it:
        created = await it.create()
        child = await it.refresh(rt(created))
        grandchild = await it.refresh(rt(child))
        assert (await it.refresh(rt(created)))["status"] == "TOKEN_THEFT_DETECTED"
        assert rt(await it.refresh(rt(child))) == rt(grandchild)


async def test_a_refresh_after_a_confirmed_one_gives_a_plain_token_only_once_it_is_used():
    async with core() as it:
        created = await it.create()
        child = await it.refresh(rt(created))
        promoted = await it.verify(token(child))
        assert "accessToken" not in await it.verify(token(promoted))
        assert "accessToken" in await it.verify(token(await it.refresh(rt(child))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[(text, "version of refresh token not recognised") for text in ("", "x", "a.b.c", "a.b.V3", "." * 5000)],
        *[(text, "Invalid refresh token") for text in ("a.b.V2", "é.b.V2", "AAAA.AAAA.V1", f"eA==.{'0' * 64}.V2")],
        ("a.b.c.V2", "Refresh token split with dot yielded an array of length: 4"),
        ("V2", "Refresh token split with dot yielded an array of length: 1"),
        ("a.V0", "Refresh token not found in database. Please create a new session."),
    ],
)
async def test_what_is_no_refresh_token_is_unauthorised_and_never_theft(text, message):
    async with core() as it:
        shown = await it.refresh(text)
        assert shown["status"] == "UNAUTHORISED"
        assert shown["message"].removeprefix(FORMAT) == message


async def test_a_refresh_token_with_one_changed_letter_is_unauthorised():
    async with core() as it:
        text = rt(await it.create())
        for place in range(0, len(text), 17):
            other = "A" if text[place] != "A" else "B"
            assert (await it.refresh(text[:place] + other + text[place + 1 :]))["status"] == "UNAUTHORISED"
        assert (await it.refresh(text))["status"] == "OK"


async def test_a_refresh_shows_the_anti_csrf_token_of_the_presented_one():
    wrong = {"status": "UNAUTHORISED", "message": "Anti CSRF token missing, or not matching"}
    async with core() as it:
        created = await it.create(anti_csrf=True)
        assert await it.refresh(rt(created), **CSRF) == wrong
        assert await it.refresh(rt(created), **CSRF, antiCsrfToken="x") == wrong
        child = await it.refresh(rt(created), **CSRF, antiCsrfToken=created["antiCsrfToken"])
        assert await it.refresh(rt(child), **CSRF, antiCsrfToken=created["antiCsrfToken"]) == wrong
        assert (await it.refresh(rt(child), **CSRF, antiCsrfToken=child["antiCsrfToken"]))["status"] == "OK"


async def test_turning_anti_csrf_on_ends_no_session():
    async with core() as it:
        created = await it.create(anti_csrf=False)
        child = await it.refresh(rt(created), **CSRF)
        assert child["status"] == "OK"
        assert (await it.refresh(rt(child), **CSRF))["status"] == "UNAUTHORISED", "from now on it is asked for"
        assert (await it.refresh(rt(child), **CSRF, antiCsrfToken=child["antiCsrfToken"]))["status"] == "OK"


async def test_before_2_3_a_refresh_has_no_field_for_the_anti_csrf_token_and_needs_none():
    async with core(enable_anti_csrf=True) as it:
        for cdi, status in (("1.0", "OK"), ("2.2", "OK"), ("2.3", "UNAUTHORISED"), ("2.5", "UNAUTHORISED")):
            assert (await it.refresh(rt(await it.create(cdi=cdi)), cdi=cdi))["status"] == status


async def test_the_payload_of_a_refresh_comes_from_the_session():
    async with core() as it:
        created = await it.create(jwt={"a": 1})
        body = {"sessionHandle": created["session"]["handle"], "userDataInJWT": {"b": [None]}}
        await it.put("/recipe/jwt/data", body)
        refreshed = await it.refresh(rt(created))
        assert refreshed["session"]["userDataInJWT"] == {"b": [None]}
        assert opened(token(refreshed))[1]["b"] == [None]


async def test_refreshing_moves_the_end_of_the_session():
    async with core(refresh_token_validity=100) as it:
        created = await it.create()
        assert created["refreshToken"]["expiry"] == it.clock.wall() + 100 * MINUTE
        it.clock.advance(90 * MINUTE)
        child = await it.refresh(rt(created))
        assert child["refreshToken"]["expiry"] == it.clock.wall() + 100 * MINUTE
        it.clock.advance(99 * MINUTE)
        assert (await it.refresh(rt(child)))["status"] == "OK"


# -- CDI 5.6 --------------------------------------------------------------------------------------------------------

NEW = "5.6"


async def test_in_5_6_access_tokens_name_no_parent_and_verify_gives_none():
    async with core() as it:
        refreshed = await it.refresh(rt(await it.create(cdi=NEW)), cdi=NEW)
        assert opened(token(refreshed))[1]["parentRefreshTokenHash1"] is None
        assert (await it.verify(token(refreshed), cdi=NEW)).keys() == {"status", "session"}
        shown = await it.verify(token(refreshed), cdi=NEW, check_database=True)
        assert shown.keys() == {"status", "session", "payloadUpdateAvailable"}
        assert shown["payloadUpdateAvailable"] is False


async def test_in_5_6_verify_says_that_there_is_a_newer_payload():
    async with core() as it:
        created = await it.create(cdi=NEW, jwt={"a": 1})
        body = {"sessionHandle": created["session"]["handle"], "userDataInJWT": {}}
        await it.put("/recipe/jwt/data", body, cdi=NEW)
        shown = await it.verify(token(created), cdi=NEW, check_database=True)
        assert (shown["payloadUpdateAvailable"], shown["session"]["userDataInJWT"]) == (True, {"a": 1})
        assert "accessToken" not in shown


async def test_in_5_6_a_token_two_rotations_old_is_rotated_out():
    async with core() as it:
        created = await it.create(cdi=NEW)
        child = await it.refresh(rt(created), cdi=NEW)
        assert (await it.verify(token(created), cdi=NEW, check_database=True))["status"] == "OK"
        await it.refresh(rt(child), cdi=NEW)
        assert await it.verify(token(created), cdi=NEW, check_database=True) == {
            "status": "UNAUTHORISED",
            "message": "rotated-out token branch; refresh required",
        }
        assert (await it.verify(token(created), cdi=NEW))["status"] == "OK"


async def test_in_5_6_verify_is_for_the_public_tenant():
    async with core() as it:
        await it.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t"})
        answer = await it.call("POST", "/t/recipe/session/verify", b"{", cdi=NEW)
        assert answer.problem == (403, "Only public tenantId can call this app specific API")
        answer = await it.call("POST", "/t/recipe/session/verify", b"{", cdi="5.5")
        assert answer.problem == (400, "Invalid Json Input")


async def test_in_5_6_the_grace_window_forgives_even_after_use():
    async with core(refresh_token_rotation_grace_period=30) as it:
        created = await it.create(cdi=NEW)
        child = await it.refresh(rt(created), cdi=NEW)
        await it.verify(token(child), cdi=NEW, check_database=True)
        it.clock.advance(30 * SECOND - 1)
        assert rt(await it.refresh(rt(created), cdi=NEW)) == rt(child)


async def test_in_5_6_the_previous_token_after_its_successor_was_used_ends_the_session():
    async with core() as it:
        created = await it.create(cdi=NEW)
        child = await it.refresh(rt(created), cdi=NEW)
        grandchild = await it.refresh(rt(child), cdi=NEW)
        stolen = await it.refresh(rt(created), cdi=NEW)
        handle = created["session"]["handle"]
        assert stolen == {
            "status": "TOKEN_THEFT_DETECTED",
            "session": {"handle": handle, "userId": "user-1", "recipeUserId": "user-1"},
            "recentTokenReuseSubtype": "STALE_LINEAGE",
        }
        assert await it.refresh(rt(grandchild), cdi=NEW) == REFRESH_GONE
        assert await it.get("/recipe/session", sessionHandle=handle) == GONE


@pytest.mark.parametrize("behaviour", ["TOKEN_THEFT", "UNAUTHORISED"])
async def test_in_5_6_recent_reuse_is_answered_as_configured(behaviour):
    async with core(recent_token_reuse_behaviour=behaviour, refresh_token_rotation_grace_period=0) as it:
        created = await it.create(cdi=NEW)
        child = await it.refresh(rt(created))
        await it.verify(token(child))  # an older SDK beside it confirms
        it.clock.advance(MINUTE)
        shown = await it.refresh(rt(created), cdi=NEW)
        if behaviour == "UNAUTHORISED":
            assert shown == {"status": "UNAUTHORISED", "message": "refresh token reuse detected"}
        else:
            assert shown["recentTokenReuseSubtype"] == "RECENT_PREV"
        assert await it.refresh(rt(child), cdi=NEW) == REFRESH_GONE, "the session is over either way"


async def test_in_5_6_a_caller_may_only_shorten_the_life_of_a_token():
    async with core(access_token_validity=100) as it:
        now = it.clock.wall()
        for asked, got in ((5_000, 5_000), (100_000, 100_000), (100_001, 100_000), (2**62, 100_000)):
            created = await it.create(cdi=NEW, accessTokenValidity=asked)
            assert created["accessToken"]["expiry"] == now + got
            refreshed = await it.refresh(rt(created), cdi=NEW, accessTokenValidity=asked)
            assert refreshed["accessToken"]["expiry"] == now + got


async def test_jitter_shortens_and_never_lengthens():
    async with core(access_token_validity=1000, access_token_validity_jitter=0.25) as it:
        lives = {(await it.create(cdi="2.20"))["accessToken"]["expiry"] - it.clock.wall() for _ in range(20)}
        assert len(lives) > 10
        assert all(750_000 <= life <= 1_000_000 for life in lives)


@pytest.mark.parametrize("cdi", ["2.20", "5.4", "5.6"])
async def test_two_who_refresh_in_turn_without_using_anything_are_found_at_the_third_collision(cdi):
    async with core() as it:
        created = await it.create(cdi=cdi)
        older = rt(created)
        for collisions in range(1, 4):
            it.clock.advance(HOUR)
            newer = rt(await it.refresh(older, cdi=cdi))
            it.clock.advance(MINUTE)
            shown = await it.refresh(older, cdi=cdi)
            assert (shown["status"] == "TOKEN_THEFT_DETECTED") is (collisions == 3)
            older = newer


@pytest.mark.parametrize("cdi", ["5.4", "5.6"])
async def test_an_attempt_key_changes_nothing_on_the_wire(cdi):
    async with core(refresh_token_rotation_grace_period=0) as it:
        created = await it.create(cdi=cdi)
        body = {"refreshToken": rt(created), "enableAntiCsrf": False, "useDynamicSigningKey": True}
        key = [(b"idempotency-key", b"key")]
        child = (await it.call("POST", "/recipe/session/refresh", body, cdi=cdi, headers=key)).json
        await it.refresh(rt(child), cdi=cdi)
        again = (await it.call("POST", "/recipe/session/refresh", body, cdi=cdi, headers=key)).json
        assert again["status"] == "TOKEN_THEFT_DETECTED"


# -- a store that was rolled back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cdi", ["2.20", "5.4", "5.6"])
@pytest.mark.parametrize("lost", [1, 20])
async def test_a_token_newer_than_the_store_is_adopted(cdi, lost):
    async with core() as it:
        created = await it.create(cdi=cdi)
        kept = dict(it.store._sessions)
        kept = {scope: dict(sessions) for scope, sessions in kept.items()}
        line = [rt(created)]
        for _ in range(lost):
            line.append(rt(await it.refresh(line[-1], cdi=cdi)))
        it.store._sessions = kept
        adopted = rt(await it.refresh(line[-1], cdi=cdi))
        assert [event.reason for event in it.events if event.name is EventName.STORE_ROLLED_BACK] == ["adopted"]
        it.clock.advance(HOUR)
        assert rt(await it.refresh(line[-1], cdi=cdi)) == adopted
        assert (await it.refresh(adopted, cdi=cdi))["status"] == "OK"
        assert (await it.refresh(line[0], cdi=cdi))["status"] == "TOKEN_THEFT_DETECTED"


@pytest.mark.parametrize("cdi", ["5.4", "5.6"])
async def test_a_roll_back_can_be_refused_and_a_fork_is_ended(cdi):
    async with core(rollback="refuse") as it:
        created = await it.create(cdi=cdi)
        kept = {scope: dict(sessions) for scope, sessions in it.store._sessions.items()}
        child = rt(await it.refresh(rt(created), cdi=cdi))
        it.store._sessions = {scope: dict(sessions) for scope, sessions in kept.items()}
        assert (await it.refresh(child, cdi=cdi))["status"] == "UNAUTHORISED"
        fork = rt(await it.refresh(rt(created), cdi=cdi))
        for token_of_the_line in (child, fork, rt(created)):
            assert await it.refresh(token_of_the_line, cdi=cdi) == REFRESH_GONE
        assert {event.name for event in it.events}.isdisjoint({EventName.TOKEN_THEFT})


# -- regenerate -----------------------------------------------------------------------------------------------------


async def regenerate(it, access_token, **more):
    return await it.post("/recipe/session/regenerate", {"accessToken": access_token, **more})


async def test_regenerating_keeps_everything_but_the_payload():
    async with core() as it:
        created = await it.create(anti_csrf=True, jwt={"a": 1})
        refreshed = await it.refresh(rt(created), **CSRF, antiCsrfToken=created["antiCsrfToken"])
        it.clock.advance(10 * SECOND)
        shown = await regenerate(it, token(refreshed), userDataInJWT={"b": 2})
        before, after = opened(token(refreshed))[1], opened(token(shown))[1]
        assert shown["session"]["userDataInJWT"] == {"b": 2}
        assert after["b"] == 2
        for name in ("exp", "sub", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken"):
            assert after[name] == before[name]
        assert "a" not in after


async def test_regenerating_without_a_payload_takes_that_of_the_session():
    async with core() as it:
        created = await it.create(jwt={"a": 1})
        body = {"sessionHandle": created["session"]["handle"], "userDataInJWT": {"a": 2}}
        await it.put("/recipe/jwt/data", body)
        assert opened(token(await regenerate(it, token(created))))[1]["a"] == 2


async def test_an_expired_token_changes_the_session_and_gives_no_token():
    async with core() as it:
        created = await it.create()
        it.clock.advance(2 * HOUR)
        shown = await regenerate(it, token(created), userDataInJWT={"a": 1})
        assert shown.keys() == {"status", "session"}
        handle = created["session"]["handle"]
        assert (await it.get("/recipe/jwt/data", sessionHandle=handle))["userDataInJWT"] == {"a": 1}


async def test_regenerating_believes_only_what_we_signed():
    async with core() as it:
        created = await it.create(jwt={"a": 1})
        head, body, signature = token(created).split(".")
        forged = f"{head}.{body}.{signature[:-8]}AAAAAAAA"
        for text in (forged, f"{head}.{body}.", "a.b.c", "x"):
            assert await regenerate(it, text, userDataInJWT={"a": 2}) == GONE
        handle = created["session"]["handle"]
        assert (await it.get("/recipe/jwt/data", sessionHandle=handle))["userDataInJWT"] == {"a": 1}


async def test_a_session_that_is_gone_cannot_be_regenerated():
    async with core() as it:
        created = await it.create()
        await it.post("/recipe/session/remove", {"userId": "user-1"})
        assert await regenerate(it, token(created), userDataInJWT={}) == GONE
