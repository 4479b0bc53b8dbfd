"""The life of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from reseal.core.errors import (
    GENERAL_ERROR,
    TOKEN_THEFT_DETECTED,
    TRY_REFRESH_TOKEN,
    UNAUTHORISED,
    AccessTokenTooLarge,
    InvalidInput,
    Refusal,
    TryRefreshToken,
    Unauthorised,
)
from reseal.core.events import Caller, EventName
from reseal.core.model import ADDRESS_MAX, USER_AGENT_MAX, Device, Scope
from reseal.core.selection import PAGE
from reseal.testing._async.session_suites.base import (
    OWNER,
    SECOND,
    AsyncSessionTests,
    KindOfText,
    Loud,
    error_of,
    family_of,
    token_of,
)
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import USER_IDS, new_session


class AsyncLifeSuite(AsyncSessionTests):
    async def test_the_evidence_of_a_caller_is_kept_in_a_bounded_length(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        long = Caller(Device("1" * 9000, "Browser\n" * 9000), "request-3")
        pair = await sessions.create("user", caller=long)
        device = (await sessions.get(pair.claims.sid)).device
        assert (device.ip, device.user_agent) == ("1" * ADDRESS_MAX, ("Browser" * 100)[:USER_AGENT_MAX])
        await sessions.refresh(str(pair.refresh_token), caller=long)
        assert (await sessions.get(pair.claims.sid)).device == device

    async def test_a_session_lives_from_create_to_revoke(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        first = await sessions.create("user", {"role": "admin"}, {"cart": [1]}, caller=OWNER)
        claims = sessions.verify(first.access_token)
        assert (claims.sub, claims.gen, claims.jwt_payload()) == ("user", 0, {"role": "admin"})
        second = await sessions.refresh(token_of(first), caller=OWNER)
        claims = sessions.verify(second.access_token)
        assert (claims.sub, claims.sid, claims.gen) == ("user", first.claims.sid, 1)
        record = await sessions.check(claims)
        assert (record.session_data, record.confirmed_at is not None) == (b'{"cart":[1]}', True)
        await sessions.update(claims.sid, session_data={"cart": []}, jwt_payload={"role": "user"})
        third = await sessions.refresh(token_of(second))
        assert sessions.verify(third.access_token).jwt_payload() == {"role": "user"}
        assert (await sessions.get(claims.sid)).session_data == b'{"cart":[]}'
        assert [r.handle for r in await sessions.list_user("user")] == [claims.sid]
        assert await sessions.revoke([claims.sid]) == (claims.sid,)
        assert await sessions.list_user("user") == ()
        names = [event.name for event in world.events.all if event.session_handle]
        assert names == [
            EventName.SESSION_CREATED,
            EventName.SESSION_REFRESHED,
            EventName.SESSION_REFRESHED,
            EventName.SESSION_REVOKED,
        ]

    async def test_all_sessions_of_a_user_are_listed_however_many_there_are(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        handles = [f"handle {n}" for n in range(PAGE + 1)]
        for n in range(0, len(handles), 32):
            await together(partial(world.store.insert, Scope(), new_session(handle)) for handle in handles[n : n + 32])
        assert sorted(record.handle for record in await sessions.list_user("user")) == sorted(handles)
        await sessions.revoke(handles[-1:])
        assert len(await sessions.list_user("user")) == PAGE

    async def test_every_error_has_its_code(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="report")
        pair = await sessions.create("user")
        line = await family_of(sessions, pair, 2)
        with pytest.raises(TryRefreshToken) as try_refresh:
            sessions.verify("no token")
        assert try_refresh.value.code == TRY_REFRESH_TOKEN
        assert (await error_of(sessions, "no token")).code == UNAUTHORISED
        assert (await error_of(sessions, line[0])).code == TOKEN_THEFT_DETECTED
        world.store.down = True
        assert (await error_of(sessions, line[-1])).code == GENERAL_ERROR

    @pytest.mark.parametrize("handle", ["", "absent", "00000000-0000-4000-8000-000000000000", "x" * 500, "'", "\0"])
    async def test_an_unknown_handle_is_unauthorised_and_ends_nothing(self, world: AsyncWorld, handle: str) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        with pytest.raises(Unauthorised) as get:
            await sessions.get(handle)
        with pytest.raises(Unauthorised) as update:
            await sessions.update(handle, session_data={})
        assert (get.value.reason, update.value.reason) == (Refusal.UNKNOWN_SESSION, Refusal.UNKNOWN_SESSION)
        assert await sessions.revoke([handle]) == ()
        assert await sessions.revoke_user(handle) == ()
        await sessions.check(pair.claims)

    @pytest.mark.parametrize("user_id", USER_IDS, ids=range(len(USER_IDS)))
    async def test_a_user_id_travels_byte_for_byte(self, world: AsyncWorld, user_id: str) -> None:
        sessions = await world.sessions()
        pair = await sessions.create(user_id)
        assert sessions.verify(pair.access_token).sub == user_id
        assert [r.user_id for r in await sessions.list_user(user_id)] == [user_id]
        assert (await sessions.refresh(token_of(pair))).claims.sub == user_id

    @pytest.mark.parametrize("unfit", [4711, UUID(int=1), None, b"user", True, 1.5, ("user",)], ids=repr)
    async def test_an_id_that_is_not_text_is_refused_by_the_argument_s_name(
        self, world: AsyncWorld, unfit: Any
    ) -> None:
        sessions = await world.sessions()
        await sessions.create(str(unfit))
        calls: dict[str, list[Callable[[], Awaitable[object]]]] = {
            "user_id": [
                partial(sessions.create, unfit),
                partial(sessions.list_user, unfit),
                partial(sessions.revoke_user, unfit),
            ],
            "session_handle": [partial(sessions.get, unfit), partial(sessions.update, unfit, session_data={})],
            "session_handles": [
                partial(sessions.revoke, [unfit]),
                partial(sessions.why_ended, [unfit]),
                partial(sessions.revoke, "user" if isinstance(unfit, tuple) else unfit),
            ],
        }
        if unfit is not None:
            calls["keep"] = [partial(sessions.revoke_user, "user", keep=unfit)]
        for field, several in calls.items():
            for call in several:
                with pytest.raises(InvalidInput, match=f"^{field}: must be ") as refused:
                    await call()
                assert refused.value.field == field
        assert len(await sessions.list_user(str(unfit))) == 1

    async def test_an_id_that_is_a_kind_of_text_is_the_text_that_it_holds(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create(KindOfText.USER)
        handle = Loud(pair.claims.sid)
        assert type(pair.claims.sub) is str
        assert [r.handle for r in await sessions.list_user("alice")] == [str.__str__(handle)]
        assert (await sessions.get(handle)).user_id == "alice"
        assert (await sessions.update(handle, session_data={"a": 1})).session_data == b'{"a":1}'
        assert await sessions.why_ended([handle]) == {}
        assert await sessions.revoke_user(KindOfText.USER, keep=handle) == ()
        assert await sessions.revoke([handle]) == (pair.claims.sid,)
        assert set(await sessions.why_ended([handle, "\ud800"])) == {pair.claims.sid, "\ud800"}

    async def test_unfit_input_is_refused_and_stores_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for user_id in ("", "x" * 513, "nul\0", "\ud800"):
            with pytest.raises(InvalidInput):
                await sessions.create(user_id)
        for unfit in ({"n": float("nan")}, {"t": (1,)}, {"b": b""}, {"huge": 2**64}, {"s": "\ud800"}):
            with pytest.raises(InvalidInput):
                await sessions.create("user", unfit)
            with pytest.raises(InvalidInput):
                await sessions.create("user", None, unfit)
        with pytest.raises(AccessTokenTooLarge):
            await sessions.create("user", {"long": "x" * 5000})
        assert await sessions.list_user("user") == ()

    async def test_an_access_token_ends_and_a_refresh_brings_another(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=60)
        pair = await sessions.create("user")
        world.clock.advance(60 * SECOND - 1)
        sessions.verify(pair.access_token)
        world.clock.advance(1)
        with pytest.raises(TryRefreshToken):
            sessions.verify(pair.access_token)
        assert sessions.verify(pair.access_token, expired_too=True) == pair.claims
        sessions.verify((await sessions.refresh(token_of(pair))).access_token)
