# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""What everything that offers sessions has to pass: one test per promise of ``ports.AsyncSessions``.

Subclass it and give it a fixture ``world`` (see :class:`reseal.testing._async.world.AsyncWorld`)::

    class TestMySessions(AsyncSessionsSuite):
        @pytest.fixture
        async def world(self, tmp_path):
            async with MyWorld(lambda clock: AsyncSQLiteStore(tmp_path / "sessions.db", clock)) as world:
                yield world
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest

from reseal._async.changes import change_session_data
from reseal._async.not_before import AT_ONCE
from reseal._async.ports import AsyncSessions
from reseal.core.errors import (
    GENERAL_ERROR,
    TOKEN_THEFT_DETECTED,
    TRY_REFRESH_TOKEN,
    UNAUTHORISED,
    AccessTokenTooLarge,
    Conflict,
    InvalidInput,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
)
from reseal.core.events import Caller, EventName
from reseal.core.model import ADDRESS_MAX, USER_AGENT_MAX, Device, EndReason, Scope
from reseal.core.payload import decode
from reseal.core.selection import PAGE
from reseal.core.tokens import TokenPair
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR, MINUTE, USER_IDS, new_session

SECOND: Final = 1000
WINDOW: Final = 30 * SECOND
"""The race window of ``graceful`` as it comes."""
OWNER: Final = Caller(Device("192.0.2.1", "Owner/1"), "request-1")
THIEF: Final = Caller(Device("203.0.113.9", "Thief/1"), "request-2")
B64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class _KindOfText(str, Enum):  # noqa: UP042 - the kind whose str() is not what it holds
    USER = "alice"


class _Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class AsyncSessionsSuite:
    @pytest.fixture
    async def world(self) -> AsyncWorld:
        raise NotImplementedError("the subclass says where its sessions live")

    # -- the life of a session --------------------------------------------------------------------------------------

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
        second = await sessions.refresh(_token(first), caller=OWNER)
        claims = sessions.verify(second.access_token)
        assert (claims.sub, claims.sid, claims.gen) == ("user", first.claims.sid, 1)
        record = await sessions.check(claims)
        assert (record.session_data, record.confirmed_at is not None) == (b'{"cart":[1]}', True)
        await sessions.update(claims.sid, session_data={"cart": []}, jwt_payload={"role": "user"})
        third = await sessions.refresh(_token(second))
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
        line = await _line(sessions, pair, 2)
        with pytest.raises(TryRefreshToken) as try_refresh:
            sessions.verify("no token")
        assert try_refresh.value.code == TRY_REFRESH_TOKEN
        assert (await _error(sessions, "no token")).code == UNAUTHORISED
        assert (await _error(sessions, line[0])).code == TOKEN_THEFT_DETECTED
        world.store.down = True
        assert (await _error(sessions, line[-1])).code == GENERAL_ERROR

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
        assert (await sessions.refresh(_token(pair))).claims.sub == user_id

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
        pair = await sessions.create(_KindOfText.USER)
        handle = _Loud(pair.claims.sid)
        assert type(pair.claims.sub) is str
        assert [r.handle for r in await sessions.list_user("alice")] == [str.__str__(handle)]
        assert (await sessions.get(handle)).user_id == "alice"
        assert (await sessions.update(handle, session_data={"a": 1})).session_data == b'{"a":1}'
        assert await sessions.why_ended([handle]) == {}
        assert await sessions.revoke_user(_KindOfText.USER, keep=handle) == ()
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
        sessions.verify((await sessions.refresh(_token(pair))).access_token)

    # -- payload and data -------------------------------------------------------------------------------------------

    async def test_what_is_updated_reaches_the_next_access_token_and_no_other_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair, other = await sessions.create("user", {"a": 1}), await sessions.create("user", {"a": 1}, {"b": 1})
        before = await sessions.get(other.claims.sid)
        record = await sessions.update(pair.claims.sid, jwt_payload={"a": 2})
        assert sessions.verify(pair.access_token).jwt_payload() == {"a": 1}
        reissued = await sessions.reissue(pair.claims, record)
        assert reissued.refresh_token is None
        assert sessions.verify(reissued.access_token).jwt_payload() == {"a": 2}
        await sessions.update(pair.claims.sid, session_data={"b": 2})
        assert (await sessions.get(pair.claims.sid)).jwt_payload == b'{"a":2}'
        assert await sessions.get(other.claims.sid) == before

    async def test_an_oversized_payload_is_refused_and_the_old_one_stays(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", {"a": 1})
        with pytest.raises(AccessTokenTooLarge):
            await sessions.update(pair.claims.sid, jwt_payload={"long": "x" * 5000})
        assert (await sessions.get(pair.claims.sid)).jwt_payload == b'{"a":1}'
        await sessions.update(pair.claims.sid, session_data={"long": "x" * 5000})

    async def test_updates_at_once_are_all_carried_out(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for _ in range(5):
            pair = await sessions.create("user")
            sid = pair.claims.sid
            results = await together(
                [partial(sessions.update, sid, session_data={"n": n}) for n in range(3)]
                + [partial(sessions.update, sid, jwt_payload={"n": n}) for n in range(3)]
            )
            assert _errors(results) == []
            record = await sessions.get(sid)
            assert record.session_data in {b'{"n":%d}' % n for n in range(3)}
            assert record.jwt_payload in {b'{"n":%d}' % n for n in range(3)}
            assert record.version == 1 + len(results)

    async def test_an_update_between_reading_and_writing_is_not_overwritten(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user")).claims.sid
        world.store.before("replace", partial(sessions.update, sid, jwt_payload={"by": "another"}))
        await sessions.update(sid, session_data={"by": "me"})
        record = await sessions.get(sid)
        assert (record.jwt_payload, record.session_data) == (b'{"by":"another"}', b'{"by":"me"}')

    async def test_a_refresh_and_an_update_at_once_both_happen(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.before("replace", partial(sessions.refresh, _token(pair)))
        await sessions.update(pair.claims.sid, session_data={"n": 1})
        record = await sessions.get(pair.claims.sid)
        assert (record.generation, record.session_data) == (1, b'{"n":1}')

    async def test_an_update_does_not_revive_a_session_that_ends_meanwhile(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.before("replace", partial(sessions.revoke, [pair.claims.sid]))
        with pytest.raises(Unauthorised) as error:
            await sessions.update(pair.claims.sid, session_data={"n": 1})
        assert error.value.reason is Refusal.REVOKED

    async def test_an_update_that_expects_an_older_version_changes_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user", session_data={"n": 0})).claims.sid
        version = (await sessions.get(sid)).version
        await sessions.update(sid, session_data={"n": 1}, expected_version=version)
        with pytest.raises(Conflict):
            await sessions.update(sid, session_data={"n": 2}, expected_version=version)
        assert (await sessions.get(sid)).session_data == b'{"n":1}'

    async def test_an_expected_version_that_changes_before_the_write_changes_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", session_data={"n": 0})
        version = (await sessions.get(pair.claims.sid)).version
        world.store.before("replace", partial(sessions.update, pair.claims.sid, session_data={"n": 1}))
        with pytest.raises(Conflict):
            await sessions.update(pair.claims.sid, session_data={"n": 2}, expected_version=version)
        assert (await sessions.get(pair.claims.sid)).session_data == b'{"n":1}'

    async def test_a_change_that_lost_a_race_is_made_again_from_what_the_other_wrote(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", session_data={"n": 1})
        sid, seen = pair.claims.sid, list[int]()

        def double(data: dict[str, Any]) -> dict[str, Any]:
            seen.append(data["n"])
            return {"n": data["n"] * 2}

        world.store.before("replace", partial(sessions.update, sid, session_data={"n": 10}))
        assert await change_session_data(sessions, partial(sessions.get, sid), double) == {"n": 20}
        assert seen == [1, 10]

    async def test_of_ten_changes_at_once_none_is_lost(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        sid = (await sessions.create("user", session_data={"cart": []})).claims.sid

        def add(item: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
            return lambda data: {"cart": [*data["cart"], item]}

        results = await together(
            [partial(change_session_data, sessions, partial(sessions.get, sid), add(item)) for item in range(10)]
        )
        assert _errors(results) == []
        assert sorted(decode((await sessions.get(sid)).session_data)["cart"]) == list(range(10))

    # -- ends -------------------------------------------------------------------------------------------------------

    async def test_after_an_acknowledged_revoke_nothing_succeeds(self, world: AsyncWorld) -> None:
        sessions, elsewhere = await world.sessions(), await world.sessions()
        pair = await sessions.create("user")
        line = await _line(sessions, pair, 2)
        other = await sessions.create("user")
        assert await sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT) == (pair.claims.sid,)
        assert await sessions.revoke([pair.claims.sid]) == ()
        for side in (sessions, elsewhere):
            for token in line:
                assert await _refusal(side, token) is Refusal.SIGNED_OUT
            with pytest.raises(Unauthorised):
                await side.check(pair.claims)
            with pytest.raises(Unauthorised):
                await side.update(pair.claims.sid, session_data={})
        await sessions.check(other.claims)
        world.clock.advance(HOUR)
        assert await _refusal(sessions, line[-1]) is Refusal.SIGNED_OUT
        assert len(world.events.named(EventName.SESSION_REVOKED)) == 1
        assert world.events.named(EventName.TOKEN_THEFT) == []

    async def test_revoking_a_user_names_exactly_the_sessions_that_it_ended(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pairs = {user: [await sessions.create(user) for _ in range(5)] for user in "abc"}
        handles = {user: {pair.claims.sid for pair in of_user} for user, of_user in pairs.items()}
        keep = pairs["b"][2].claims.sid
        await sessions.revoke([pairs["b"][0].claims.sid])
        assert set(await sessions.revoke_user("b", keep=keep)) == handles["b"] - {keep, pairs["b"][0].claims.sid}
        assert [r.handle for r in await sessions.list_user("b")] == [keep]
        assert await sessions.revoke_user("b") == (keep,)
        assert await sessions.revoke_user("b") == ()
        assert await _refusal(sessions, _token(pairs["b"][2])) is Refusal.USER_REVOKED
        for user in "ac":
            assert {r.handle for r in await sessions.list_user(user)} == handles[user]

    async def test_everything_begun_or_refreshed_before_a_moment_ends_and_stays_so(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        old, refreshed, other = [await sessions.create(user) for user in ("alice", "alice", "bob")]
        world.clock.advance(MINUTE)
        moment = world.clock.wall()
        refreshed = await sessions.refresh(_token(refreshed))
        new = await sessions.create("alice")
        assert await sessions.end_before(moment, user_id="alice") == 1
        ended = world.events.named(EventName.SESSION_REVOKED)
        assert [(e.session_handle, e.user_id, e.reason) for e in ended] == [(old.claims.sid, "alice", "not_before")]
        with pytest.raises(Unauthorised) as error:
            await sessions.refresh(_token(old))
        assert error.value.reason is Refusal.NOT_BEFORE
        assert await sessions.why_ended([old.claims.sid]) == {old.claims.sid: Refusal.NOT_BEFORE}
        for pair in (refreshed, new, other):
            await sessions.check(pair.claims)
        assert await sessions.end_before(moment) == 1
        assert await sessions.end_before(moment) == 0
        with pytest.raises(InvalidInput, match="moment: is still to come"):
            await sessions.end_before(world.clock.wall() + HOUR)
        assert await sessions.end_before(world.clock.wall() + SECOND, all_tenants=True) == 2
        assert await sessions.list_user("alice") == ()

    async def test_more_sessions_than_go_at_once_end_before_a_moment(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for n in range(AT_ONCE + 1):
            await sessions.create(f"user {n % 3}")
        world.clock.advance(SECOND)
        assert await sessions.end_before(world.clock.wall()) == AT_ONCE + 1

    async def test_only_the_tenants_that_are_meant_lose_their_sessions(self, world: AsyncWorld) -> None:
        one = await world.sessions(app_id="a", tenant_id="public")
        two = await world.sessions(app_id="a", tenant_id="b")
        other = await world.sessions(app_id="b", tenant_id="public")
        for sessions in (one, two, other):
            await sessions.create("user")
        world.clock.advance(SECOND)
        assert await one.end_before(world.clock.wall()) == 1
        assert await one.end_before(world.clock.wall(), user_id="user", all_tenants=True) == 1
        assert len(await other.list_user("user")) == 1

    async def test_a_revoke_that_meets_a_refresh_wins(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for _ in range(20):
            pair = await sessions.create("user")
            calls: list[Callable[[], Awaitable[object]]] = [
                partial(sessions.refresh, _token(pair)),
                partial(sessions.revoke, [pair.claims.sid]),
            ]
            _, ended = await together(calls)
            assert ended == (pair.claims.sid,)
            assert await _refusal(sessions, _token(pair)) is Refusal.REVOKED

    async def test_refreshing_does_not_move_the_absolute_end(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=10, session_absolute_timeout=1)
        pair = await sessions.create("user")
        end = world.clock.wall() + MINUTE
        for _ in range(11):
            world.clock.advance(5 * SECOND)
            pair = await sessions.refresh(_token(pair))
            assert pair.session_expires_at == end
            assert (await sessions.get(pair.claims.sid)).expires_at == end
        world.clock.advance(5 * SECOND - 1)
        pair = await sessions.refresh(_token(pair))
        world.clock.advance(1)
        assert await _refusal(sessions, _token(pair)) is Refusal.ABSOLUTE_TIMEOUT
        with pytest.raises(Unauthorised):
            await sessions.check(pair.claims)

    async def test_an_idle_session_ends_and_a_refreshed_one_lives_on(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        pair = await sessions.create("user")
        for _ in range(5):
            world.clock.advance(MINUTE - 1)
            pair = await sessions.refresh(_token(pair))
            assert pair.session_expires_at == world.clock.wall() + MINUTE
        world.clock.advance(MINUTE)
        assert await _refusal(sessions, _token(pair)) is Refusal.EXPIRED
        assert await sessions.list_user("user") == ()
        world.clock.jump(-HOUR)
        assert await _refusal(sessions, _token(pair)) is Refusal.EXPIRED

    # -- a store that fails -----------------------------------------------------------------------------------------

    async def test_a_silent_store_is_no_logout(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.down = True
        sessions.verify(pair.access_token)
        for call in _all_calls(sessions, pair):
            with pytest.raises(StoreUnavailable):
                await call()
        world.clock.advance(MINUTE)
        await sessions.keep_fresh()
        sessions.verify(pair.access_token)
        world.store.down = False
        await sessions.check(pair.claims)
        await sessions.refresh(_token(pair))
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("method", ["rotate", "get", "replace"])
    @pytest.mark.parametrize("moment", ["refuse", "lose_acknowledgement"])
    async def test_a_refresh_at_which_the_store_fails_can_be_repeated(
        self, world: AsyncWorld, method: str, moment: str
    ) -> None:
        sessions = await world.sessions()
        first = await sessions.create("user")
        before = await sessions.refresh(_token(first))
        world.clock.advance(WINDOW + 1)
        getattr(world.store, moment)(method)
        presented = _token(before) if method == "rotate" else _token(first)
        assert isinstance(await _error(sessions, presented), StoreUnavailable)
        again = await sessions.refresh(presented)
        assert again.claims.gen == (2 if method == "rotate" else 1)
        assert (await sessions.refresh(_token(again))).claims.gen == again.claims.gen + 1
        assert world.events.named(EventName.TOKEN_THEFT) == []
        assert world.events.named(EventName.REFRESH_REFUSED) == []

    async def test_revoked_is_only_said_if_the_store_said_so(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.refuse("end")
        world.store.refuse("end_user")
        with pytest.raises(StoreUnavailable):
            await sessions.revoke([pair.claims.sid])
        with pytest.raises(StoreUnavailable):
            await sessions.revoke_user("user")
        assert world.events.named(EventName.SESSION_REVOKED) == []
        await sessions.check(pair.claims)
        assert [r.handle for r in await sessions.list_user("user")] == [pair.claims.sid]
        world.store.lose_acknowledgement("end")
        with pytest.raises(StoreUnavailable):
            await sessions.revoke([pair.claims.sid])
        assert await _refusal(sessions, _token(pair)) is Refusal.REVOKED

    async def test_a_session_that_could_not_be_stored_is_not_handed_out(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        world.store.refuse("insert")
        with pytest.raises(StoreUnavailable):
            await sessions.create("user")
        assert await sessions.list_user("user") == ()
        assert world.events.named(EventName.SESSION_CREATED) == []

    async def test_theft_that_cannot_be_answered_is_answered_at_the_next_try(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_user")
        for broken in ("end", "end_user"):
            pair, other = await sessions.create("user"), await sessions.create("user")
            line = await _line(sessions, pair, 2)
            world.store.refuse(broken)
            assert isinstance(await _error(sessions, line[0], THIEF), StoreUnavailable)
            assert isinstance(await _error(sessions, line[0], THIEF), TokenTheftDetected)
            assert await sessions.list_user("user") == ()
            assert await _refusal(sessions, _token(other)) is Refusal.USER_REVOKED
            told = len(world.events.named(EventName.TOKEN_THEFT))
            assert told == (2 if broken == "end" else 1)  # told again, because the first end may have happened
            world.events.forget()

    # -- anti-CSRF --------------------------------------------------------------------------------------------------

    async def test_anti_csrf_tokens_are_unique_bound_and_changed_at_each_refresh(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        mine, other = await sessions.create("user"), await sessions.create("user")
        seen = {mine.anti_csrf, other.anti_csrf}
        pair = mine
        for _ in range(200):
            following = await sessions.refresh(_token(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)
            assert following.anti_csrf not in seen
            assert len(following.anti_csrf or "") == 43
            seen.add(following.anti_csrf)
            assert sessions.check_anti_csrf(following.claims, following.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, pair.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, other.anti_csrf)
            pair = following
        for wrong in (None, "", mine.anti_csrf, other.anti_csrf, pair.claims.sid, pair.refresh_token, "ü", "\ud800"):
            assert not sessions.check_anti_csrf(pair.claims, wrong)
            error = await _caught(sessions.refresh, _token(pair), anti_csrf=wrong, require_anti_csrf=True)
            assert isinstance(error, Unauthorised)
            assert error.reason is Refusal.ANTI_CSRF
        await sessions.refresh(_token(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)

    async def test_a_replay_gives_the_same_anti_csrf_token(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        pair = await sessions.create("user")
        first, second = [await sessions.refresh(_token(pair), anti_csrf=pair.anti_csrf) for _ in range(2)]
        assert first.anti_csrf == second.anti_csrf != pair.anti_csrf

    async def test_a_handle_is_no_credential(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        pair = await sessions.create("user")
        assert await _refusal(sessions, pair.claims.sid) is Refusal.MALFORMED
        with pytest.raises(TryRefreshToken):
            sessions.verify(pair.claims.sid)
        await sessions.check(pair.claims)

    # -- one line of tokens -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    async def test_64_refreshes_of_one_token_at_once_are_one_step_with_one_successor(
        self, world: AsyncWorld, policy: str
    ) -> None:
        sides = [await world.sessions(rotation_policy=policy), await world.sessions(rotation_policy=policy)]
        pair = await sides[0].create("user")
        for generation in range(1, 9):
            results = await together(partial(sides[n % 2].refresh, _token(pair)) for n in range(64))
            assert _errors(results) == []
            pairs = [r for r in results if isinstance(r, TokenPair)]
            assert {_token(p) for p in pairs} == {_token(pairs[0])} != {_token(pair)}
            assert {p.claims.gen for p in pairs} == {generation}
            assert (await sides[1].get(pair.claims.sid)).generation == generation
            pair = pairs[-1]
        assert world.events.named(EventName.TOKEN_THEFT) == []
        assert len(world.events.named(EventName.SESSION_REFRESHED)) == 8

    async def test_many_refreshes_give_as_many_tokens_and_each_old_one_is_theft(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="report")
        steps = world.trials // 10
        line = await _line(sessions, await sessions.create("user"), steps)
        assert len(set(line)) == steps + 1
        world.clock.advance(WINDOW)
        await sessions.check((await sessions.refresh(line[-1])).claims)
        world.clock.advance(WINDOW)
        for token in line:
            assert isinstance(await _error(sessions, token), TokenTheftDetected)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == steps + 1

    async def test_any_used_token_ends_its_session_and_no_other(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        bystander = await sessions.create("user")
        generations = min(50, world.trials // 50)
        for generation in range(generations):
            pair = await sessions.create("user")
            line = await _line(sessions, pair, generations)
            newest = await sessions.refresh(line[-1])
            await sessions.check(newest.claims)
            world.clock.advance(WINDOW)
            error = await _error(sessions, line[generation], THIEF)
            assert isinstance(error, TokenTheftDetected)
            assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, "older")
            assert await _refusal(sessions, _token(newest)) is Refusal.THEFT
            with pytest.raises(Unauthorised):
                await sessions.check(newest.claims)
            assert [r.handle for r in await sessions.list_user("user")] == [bystander.claims.sid]
        assert len(world.events.named(EventName.TOKEN_THEFT)) == generations
        await sessions.refresh(_token(bystander))

    @pytest.mark.parametrize("subtype", ["previous", "older"])
    @pytest.mark.parametrize("response", ["report", "revoke_session", "revoke_user"])
    async def test_theft_is_answered_as_configured_and_told_once_without_a_secret(
        self, world: AsyncWorld, response: str, subtype: str
    ) -> None:
        sessions = await world.sessions(theft_response=response)
        pair = await sessions.create("user", {"private": "canary"}, {"private": "canary"}, caller=OWNER)
        other, stranger = await sessions.create("user"), await sessions.create("stranger")
        line = [_token(pair)]
        for _ in range(3):
            pair = await sessions.refresh(line[-1], caller=OWNER)
            line.append(_token(pair))
        await sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        presented = line[-2] if subtype == "previous" else line[-3]
        error = await _error(sessions, presented, THIEF)
        assert isinstance(error, TokenTheftDetected)
        assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, subtype)
        live = {r.handle for user in ("user", "stranger") for r in await sessions.list_user(user)}
        gone = {
            "report": set(),
            "revoke_session": {pair.claims.sid},
            "revoke_user": {pair.claims.sid, other.claims.sid},
        }
        assert live == {pair.claims.sid, other.claims.sid, stranger.claims.sid} - gone[response]
        (event,) = world.events.named(EventName.TOKEN_THEFT)
        assert (event.session_handle, event.user_id, event.reason) == (pair.claims.sid, "user", subtype)
        assert (event.at, event.correlation_id) == (world.clock.wall(), "request-2")
        assert (event.device, event.other_device) == (THIEF.device, OWNER.device)
        told = repr(world.events.all) + repr(error) + str(error)
        secrets = [part for token in line for part in token.split(".")[3:]] + ["canary"]
        assert [secret for secret in secrets if secret in told] == []
        if response != "report":
            assert await _refusal(sessions, line[-1]) is Refusal.THEFT
            assert await _refusal(sessions, line[0]) is Refusal.THEFT

    async def test_theft_met_by_many_at_once_is_told_once(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await _line(sessions, await sessions.create("user"), 2)
        results = await together([partial(sessions.refresh, line[0])] * 16)
        assert all(isinstance(r, TokenTheftDetected | Unauthorised) for r in results)
        assert any(isinstance(r, TokenTheftDetected) for r in results)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1

    async def test_garbage_that_names_a_session_accuses_nobody(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await _line(sessions, await sessions.create("victim"), 2)
        randomness = random.Random(37)  # noqa: S311 - a repeatable test
        for _ in range(world.trials):
            garbage = _mutated(randomness, line[randomness.randrange(3)])
            if garbage in line:
                continue
            assert await _refusal(sessions, garbage) is Refusal.MALFORMED
        assert world.events.named(EventName.TOKEN_THEFT) == []
        await sessions.check((await sessions.refresh(line[-1])).claims)

    async def test_a_token_of_another_app_or_tenant_is_not_ours(self, world: AsyncWorld) -> None:
        scopes = [{"app_id": "a"}, {"app_id": "b"}, {"app_id": "a", "tenant_id": "b"}]
        sides = [await world.sessions(**scope) for scope in scopes]
        pairs = [await side.create("user") for side in sides]
        for n, side in enumerate(sides):
            for m, pair in enumerate(pairs):
                if n == m:
                    side.verify(pair.access_token)
                    continue
                assert await _refusal(side, _token(pair)) is Refusal.MALFORMED
                with pytest.raises(TryRefreshToken):
                    side.verify(pair.access_token)
                with pytest.raises(Unauthorised):
                    await side.get(pair.claims.sid)

    async def test_of_several_cookies_the_newest_genuine_one_of_each_session_counts(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await _line(sessions, await sessions.create("user"), 3)
        other = _token(await sessions.create("user"))
        assert sessions.newest([line[1], "garbage", line[3], other, line[0]]) == (line[3], other)
        assert sessions.newest(["garbage", ""]) == ()

    # -- lost responses ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("later", [0, WINDOW - SECOND, WINDOW + SECOND, 10 * MINUTE])
    async def test_who_lost_a_response_gets_the_same_successor_until_it_is_seen_in_use(
        self, world: AsyncWorld, later: int, policy: str
    ) -> None:
        sessions = await world.sessions(rotation_policy=policy, theft_response="revoke_session")
        pair = await sessions.create("user")
        lost = await sessions.refresh(_token(pair))
        world.clock.advance(later)
        for _ in range(5):
            again = await sessions.refresh(_token(pair))
            assert (again.refresh_token, again.claims.gen) == (lost.refresh_token, 1)
            sessions.verify(again.access_token)
        await sessions.check(again.claims)
        world.clock.advance(WINDOW)
        assert isinstance(await _error(sessions, _token(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("use", ["check", "update", "refresh"])
    async def test_any_use_of_the_successor_closes_the_window(self, world: AsyncWorld, use: str, policy: str) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        successor = await sessions.refresh(_token(pair))
        world.clock.advance(WINDOW)
        claims = sessions.verify(successor.access_token)
        match use:
            case "check":
                await sessions.check(claims)
            case "update":
                await sessions.update(claims.sid, session_data={}, seen=claims)
            case "refresh":
                await sessions.refresh(_token(successor))
        error = await _error(sessions, _token(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == ("older" if use == "refresh" else "previous")

    async def test_within_the_race_window_a_confirmed_successor_is_given_again(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        successor = await sessions.refresh(_token(pair))
        await sessions.check(successor.claims)
        world.clock.advance(WINDOW - 1)
        assert (await sessions.refresh(_token(pair))).refresh_token == successor.refresh_token
        world.clock.advance(1)
        assert isinstance(await _error(sessions, _token(pair)), TokenTheftDetected)

    async def test_a_write_counts_from_the_record_that_a_check_or_a_change_returned(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        record = await sessions.check((await sessions.create("user")).claims)
        for count in range(3):
            data = {"count": count}
            record = await sessions.update(record.handle, session_data=data, expected_version=record.version)
        assert (await sessions.get(record.handle)).version == record.version

    async def test_an_access_token_of_an_earlier_generation_confirms_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        successor = await sessions.refresh(_token(pair))
        await sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        assert (await sessions.refresh(_token(pair))).refresh_token == successor.refresh_token

    async def test_the_lost_response_window_ends(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(lost_response_window=60)
        for late_by, found in ((-1, False), (0, True)):
            pair = await sessions.create("user")
            await sessions.refresh(_token(pair))
            world.clock.advance(MINUTE + late_by)
            error = await _caught(sessions.refresh, _token(pair))
            assert isinstance(error, TokenTheftDetected) is found

    async def test_without_windows_the_rotation_is_strict(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(refresh_token_rotation_grace_period=0, lost_response_window=0)
        pair = await sessions.create("user")
        await sessions.refresh(_token(pair))
        error = await _error(sessions, _token(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == "previous"

    async def test_the_third_collision_in_a_row_is_theft_however_often_each_was_repeated(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for _ in range(2):
            successor = await sessions.refresh(_token(pair))
            world.clock.advance(HOUR)
            for _ in range(4):
                assert (await sessions.refresh(_token(pair))).refresh_token == successor.refresh_token
            pair = successor
        await sessions.refresh(_token(pair))
        world.clock.advance(HOUR)
        assert isinstance(await _error(sessions, _token(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    async def test_lost_answers_here_and_there_accuse_nobody(self, world: AsyncWorld, policy: str) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        for n in range(120):
            successor = await sessions.refresh(_token(pair))
            world.clock.advance(MINUTE)
            if n % 6 == 0:
                assert (await sessions.refresh(_token(pair))).refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize(("every", "found_at"), [(1, 3), (2, 4), (3, 7), (4, 7)])
    async def test_collisions_that_are_not_scattered_are_theft(
        self, world: AsyncWorld, every: int, found_at: int, policy: str
    ) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        collisions = 0
        for n in range(10 * every):
            successor = await sessions.refresh(_token(pair))
            world.clock.advance(MINUTE)
            if n % every == 0:
                collisions += 1
                if await _caught(sessions.refresh, _token(pair)) is not None:
                    break
            pair = successor
        assert collisions == found_at
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1

    # -- attempt keys -----------------------------------------------------------------------------------------------

    async def test_who_repeats_its_attempt_key_is_given_the_successor_again_whatever_happened(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for n in range(5):
            successor = await sessions.refresh(_token(pair), attempt_key=f"key-{n}")
            await sessions.check(successor.claims)
            world.clock.advance(20 * DAY)
            for _ in range(2):
                again = await sessions.refresh(_token(pair), attempt_key=f"key-{n}")
                assert again.refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == world.events.named(EventName.SESSION_IN_STEP) == []

    async def test_an_attempt_key_is_no_credential(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        second = await sessions.refresh(_token(pair), attempt_key="key")
        third = await sessions.refresh(_token(second), attempt_key="key")
        assert isinstance(await _caught(partial(sessions.refresh, attempt_key="key"), "key"), Unauthorised)
        error = await _caught(partial(sessions.refresh, attempt_key="key"), _token(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == "older"
        assert isinstance(await _error(sessions, _token(third)), Unauthorised)

    @pytest.mark.parametrize(
        ("first", "second"), [("key", None), ("key", "another"), (None, "key")], ids=["none", "another", "new"]
    )
    async def test_another_attempt_key_is_theft_at_the_second_collision_in_a_row(
        self, world: AsyncWorld, first: str | None, second: str | None
    ) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        successor = await sessions.refresh(_token(pair), attempt_key=first)
        world.clock.advance(MINUTE)
        again = await sessions.refresh(_token(pair), attempt_key=second)
        assert again.refresh_token == successor.refresh_token
        await sessions.refresh(_token(successor), attempt_key=first)
        world.clock.advance(MINUTE)
        error = await _caught(partial(sessions.refresh, attempt_key=second), _token(successor))
        assert isinstance(error, TokenTheftDetected)

    async def test_another_attempt_key_in_the_race_window_is_met_kindly(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for n in range(9):
            successor = await sessions.refresh(_token(pair), attempt_key=f"tab-{n}")
            await sessions.check(successor.claims)
            world.clock.advance(WINDOW - 1)
            again = await sessions.refresh(_token(pair), attempt_key="another-tab")
            assert again.refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("unfit", ["", "k" * 257, "with space", "k\u00e9", "k\n", "\ud800"])
    async def test_what_cannot_be_an_attempt_key_counts_as_absent(self, world: AsyncWorld, unfit: str) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        collisions = 0
        while True:
            successor = await sessions.refresh(_token(pair), attempt_key=unfit)
            world.clock.advance(MINUTE)
            collisions += 1
            if await _caught(partial(sessions.refresh, attempt_key=unfit), _token(pair)) is not None:
                break
            pair = successor
        assert collisions == 3

    async def test_collisions_in_consecutive_generations_add_up_however_far_apart_they_are(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(refresh_token_validity=7 * 24 * 60)
        pair = await sessions.create("user")
        for _ in range(2):
            successor = await sessions.refresh(_token(pair))
            world.clock.advance(MINUTE)
            assert (await sessions.refresh(_token(pair))).refresh_token == successor.refresh_token
            world.clock.advance(3 * DAY)
            pair = successor
        await sessions.refresh(_token(pair))
        world.clock.advance(MINUTE)
        assert isinstance(await _error(sessions, _token(pair)), TokenTheftDetected)

    async def test_two_parties_in_step_are_told_at_the_third_generation(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for generation in range(1, 6):
            world.clock.advance(HOUR)
            successor = await sessions.refresh(_token(pair), caller=OWNER)
            for _ in range(3):
                await sessions.refresh(_token(pair), caller=THIEF)
            pair = successor
            assert len(world.events.named(EventName.SESSION_IN_STEP)) == max(0, generation - 2)
        event = world.events.named(EventName.SESSION_IN_STEP)[0]
        assert (event.session_handle, event.user_id) == (pair.claims.sid, "user")
        assert (event.device, event.other_device) == (THIEF.device, OWNER.device)
        assert event.at == world.clock.wall() - 2 * HOUR

    async def test_a_generation_without_a_replay_ends_the_streak(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for generation in range(12):
            world.clock.advance(HOUR)
            successor = await sessions.refresh(_token(pair))
            if generation % 3:
                await sessions.refresh(_token(pair))
            pair = successor
        assert world.events.named(EventName.SESSION_IN_STEP) == []

    # -- the classic policy -----------------------------------------------------------------------------------------

    async def test_classic_marks_the_tokens_of_a_refresh_until_one_has_come_to_the_store(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(rotation_policy="classic")
        pair = await sessions.create("user")
        assert not pair.claims.unconfirmed
        successor = await sessions.refresh(_token(pair))
        claims = sessions.verify(successor.access_token)
        assert claims.unconfirmed
        assert sessions.verify((await sessions.refresh(_token(pair))).access_token).unconfirmed
        record = await sessions.check(claims)
        plain = await sessions.reissue(claims, record)
        assert not sessions.verify(plain.access_token).unconfirmed
        world.clock.advance(WINDOW)
        assert isinstance(await _error(sessions, _token(pair)), TokenTheftDetected)

    async def test_classic_reports_theft_and_leaves_the_session_to_the_application(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(rotation_policy="classic")
        line = await _line(sessions, await sessions.create("user"), 2)
        for n in range(1, 4):
            assert isinstance(await _error(sessions, line[0]), TokenTheftDetected)
            assert len(world.events.named(EventName.TOKEN_THEFT)) == n
        newest = await sessions.refresh(line[-1])
        await sessions.check(newest.claims)

    async def test_graceful_marks_no_token(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        successor = await sessions.refresh(_token(await sessions.create("user")))
        assert not sessions.verify(successor.access_token).unconfirmed

    # -- tickets and the state of many ------------------------------------------------------------------------------

    async def test_of_many_who_show_one_ticket_one_gets_the_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        beside = await world.sessions()
        pair = await sessions.create("user", {"a": 1})
        for _ in range(3):
            ticket = await sessions.issue_ticket(pair.claims, "/live")
            tries = [partial(each.redeem_ticket, ticket, "/live") for each in (sessions, beside) for _ in range(4)]
            results = await together(tries)
            [redeemed] = [result for result in results if isinstance(result, TokenPair)]
            claims = sessions.verify(redeemed.access_token)
            assert (claims.sub, claims.sid, claims.gen) == ("user", pair.claims.sid, 0)
            assert (claims.jwt_payload(), redeemed.refresh_token) == ({"a": 1}, None)
            assert [e.reason for e in _errors(results) if isinstance(e, Unauthorised)] == [Refusal.TICKET] * 7

    async def test_a_ticket_is_good_for_its_purpose_and_its_half_minute(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        ticket = await sessions.issue_ticket(claims, "/live")
        for purpose in ("", "/", "/liv", "/live/", "/LIVE", "/live\0"):
            assert await _reason(sessions.redeem_ticket, ticket, purpose) is Refusal.TICKET
        world.clock.advance(30 * SECOND - 1)
        await sessions.redeem_ticket(ticket, "/live")
        late = await sessions.issue_ticket(claims, "/live")
        world.clock.advance(30 * SECOND)
        assert await _reason(sessions.redeem_ticket, late, "/live") is Refusal.TICKET

    async def test_a_ticket_from_a_time_that_was_put_right_opens_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        world.clock.advance(HOUR)
        early = await sessions.issue_ticket(claims, "/live")
        world.clock.jump(-HOUR)
        await world.store.repair_clock()
        assert await _reason(sessions.redeem_ticket, early, "/live") is Refusal.TICKET
        await sessions.redeem_ticket(await sessions.issue_ticket(claims, "/live"), "/live")

    async def test_a_ticket_counts_in_its_own_app_and_tenant(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        await world.store.put_tenant(Scope("public", "other"), b"{}")
        foreign = await world.sessions(tenant_id="other")
        ticket = await sessions.issue_ticket((await sessions.create("user")).claims, "/live")
        assert await _reason(foreign.redeem_ticket, ticket, "/live") is Refusal.TICKET
        await sessions.redeem_ticket(ticket, "/live")

    async def test_a_forged_ticket_opens_nothing_and_uses_nothing_up(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        ticket = await sessions.issue_ticket(claims, "/live")
        parts = ticket.split(".")
        parts[3] = str(int(parts[3]) + DAY)
        others = ["", "t1", ticket[:-1], ticket + "A", ticket + "\n", ".".join(parts), claims.sid, "é", "\ud800"]
        others += [ticket[:at] + ("A" if ticket[at] != "A" else "B") + ticket[at + 1 :] for at in range(len(ticket))]
        for other in others:
            assert await _reason(sessions.redeem_ticket, other, "/live") is Refusal.TICKET, other
        await sessions.redeem_ticket(ticket, "/live")

    async def test_a_ticket_ends_with_its_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        ticket = await sessions.issue_ticket(claims, "/live")
        await sessions.revoke([claims.sid])
        assert await _reason(sessions.redeem_ticket, ticket, "/live") is Refusal.REVOKED
        assert await _reason(sessions.issue_ticket, claims, "/live") is Refusal.REVOKED

    async def test_a_ticket_confirms_no_generation_that_the_browser_may_have_lost(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        ticket = await sessions.issue_ticket(pair.claims, "/live")
        lost = await sessions.refresh(_token(pair))
        redeemed = await sessions.redeem_ticket(ticket, "/live")
        await sessions.check(sessions.verify(redeemed.access_token))
        world.clock.advance(WINDOW + HOUR)
        assert (await sessions.refresh(_token(pair))).refresh_token == lost.refresh_token
        assert world.events.named(EventName.TOKEN_THEFT) == []

    async def test_of_many_sessions_those_that_are_over_are_named_with_the_reason(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(refresh_token_validity=120)
        idle = (await sessions.create("user")).claims.sid
        world.clock.advance(HOUR)
        live, revoked, ended = [(await sessions.create("user")).claims.sid for _ in range(3)]
        await sessions.revoke([revoked])
        await sessions.revoke([ended], EndReason.SIGNED_OUT)
        world.clock.advance(HOUR)
        asked = [idle, live, revoked, ended, "absent", "\0"]
        assert await sessions.why_ended(iter(asked)) == {
            idle: Refusal.EXPIRED,
            revoked: Refusal.REVOKED,
            ended: Refusal.SIGNED_OUT,
            "absent": Refusal.UNKNOWN_SESSION,
            "\0": Refusal.UNKNOWN_SESSION,
        }
        assert await sessions.why_ended([]) == {}

    # -- restarts and clocks ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("jump", [0, -HOUR, -30 * DAY])
    async def test_theft_is_found_after_a_restart_whatever_the_clock_says(self, world: AsyncWorld, jump: int) -> None:
        sessions = await world.sessions()
        line = await _line(sessions, await sessions.create("user"), 1)
        await sessions.check((await sessions.refresh(line[1])).claims)
        for subtype, token in (("previous", line[1]), ("older", line[0])):
            world.clock.advance(WINDOW)
            sessions = await world.restart(theft_response="report")
            world.clock.jump(jump)
            sessions = await world.restart(theft_response="report")
            error = await _error(sessions, token)
            assert isinstance(error, TokenTheftDetected)
            assert error.subtype == subtype

    @pytest.mark.parametrize("jump", [0, -HOUR, HOUR])
    async def test_a_lost_response_is_given_again_after_a_restart(self, world: AsyncWorld, jump: int) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        lost = await sessions.refresh(_token(pair))
        world.clock.jump(jump)
        sessions = await world.restart()
        again = await sessions.refresh(_token(pair))
        assert again.refresh_token == lost.refresh_token
        assert (await sessions.refresh(_token(again))).claims.gen == 2
        assert world.events.named(EventName.TOKEN_THEFT) == []

    async def test_a_clock_moved_back_over_a_restart_revives_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        pair = await sessions.create("user")
        world.clock.advance(MINUTE)
        assert await _refusal(sessions, _token(pair)) is Refusal.EXPIRED
        await world.stop()
        world.clock.jump(-HOUR)
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        assert await _refusal(sessions, _token(pair)) is Refusal.EXPIRED

    async def test_tokens_outlive_a_restart(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        sessions = await world.restart()
        assert sessions.verify(pair.access_token) == pair.claims
        await sessions.refresh(_token(pair))


def _token(pair: TokenPair) -> str:
    assert pair.refresh_token is not None
    return pair.refresh_token


async def _line(sessions: AsyncSessions, pair: TokenPair, steps: int) -> list[str]:
    """Refresh several times; give all refresh tokens from ``pair``'s on."""
    line = [_token(pair)]
    for _ in range(steps):
        line.append(_token(await sessions.refresh(line[-1])))
    return line


async def _caught(call: Any, *arguments: object, **named: object) -> ResealError | None:
    try:
        await call(*arguments, **named)
    except ResealError as error:
        return error
    return None


async def _error(sessions: AsyncSessions, token: str, caller: Caller = OWNER) -> ResealError:
    error = await _caught(sessions.refresh, token, caller=caller)
    assert error is not None, "the refresh succeeded"
    return error


async def _refusal(sessions: AsyncSessions, token: str) -> Refusal:
    error = await _error(sessions, token)
    assert isinstance(error, Unauthorised), repr(error)
    return error.reason


async def _reason(call: Any, *arguments: object) -> Refusal:
    error = await _caught(call, *arguments)
    assert isinstance(error, Unauthorised), repr(error)
    return error.reason


def _errors(results: Iterable[object]) -> list[BaseException]:
    return [result for result in results if isinstance(result, BaseException)]


def _all_calls(sessions: AsyncSessions, pair: TokenPair) -> list[Any]:
    sid = pair.claims.sid
    return [
        partial(sessions.create, "user"),
        partial(sessions.refresh, _token(pair)),
        partial(sessions.check, pair.claims),
        partial(sessions.get, sid),
        partial(sessions.list_user, "user"),
        partial(sessions.why_ended, [sid]),
        partial(sessions.issue_ticket, pair.claims, "/live"),
        partial(sessions.update, sid, session_data={}),
        partial(sessions.revoke, [sid]),
        partial(sessions.revoke_user, "user"),
    ]


def _mutated(randomness: random.Random, token: str) -> str:
    """Change a genuine token so that it still names its session."""
    parts = token.split(".")
    where = randomness.choice((2, 3, 4))
    match randomness.randrange(4):
        case 0:
            at = randomness.randrange(len(parts[where]))
            parts[where] = parts[where][:at] + randomness.choice(B64) + parts[where][at + 1 :]
        case 1:
            parts[where] = (
                "".join(randomness.choices(B64, k=42)) + "A" if where > 2 else str(randomness.randrange(10**9))
            )
        case 2:
            parts[where] = parts[where][: randomness.randrange(len(parts[where]))]
        case _:
            parts[where] += randomness.choice((*B64, "=", ".", " ", "\n", "\0", "é"))
    return ".".join(parts)
