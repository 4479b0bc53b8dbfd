# Generated from src/reseal/testing/_async/session_suites/life.py by tools/unasync.py; edit that file instead.
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
from reseal.testing._sync.session_suites.base import (
    OWNER,
    SECOND,
    SessionTests,
    KindOfText,
    Loud,
    error_of,
    family_of,
    token_of,
)
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World
from reseal.testing.material import USER_IDS, new_session


class LifeSuite(SessionTests):
    def test_the_evidence_of_a_caller_is_kept_in_a_bounded_length(self, world: World) -> None:
        sessions = world.sessions()
        long = Caller(Device("1" * 9000, "Browser\n" * 9000), "request-3")
        pair = sessions.create("user", caller=long)
        device = (sessions.get(pair.claims.sid)).device
        assert (device.ip, device.user_agent) == ("1" * ADDRESS_MAX, ("Browser" * 100)[:USER_AGENT_MAX])
        sessions.refresh(str(pair.refresh_token), caller=long)
        assert (sessions.get(pair.claims.sid)).device == device

    def test_a_session_lives_from_create_to_revoke(self, world: World) -> None:
        sessions = world.sessions()
        first = sessions.create("user", {"role": "admin"}, {"cart": [1]}, caller=OWNER)
        claims = sessions.verify(first.access_token)
        assert (claims.sub, claims.gen, claims.jwt_payload()) == ("user", 0, {"role": "admin"})
        second = sessions.refresh(token_of(first), caller=OWNER)
        claims = sessions.verify(second.access_token)
        assert (claims.sub, claims.sid, claims.gen) == ("user", first.claims.sid, 1)
        record = sessions.check(claims)
        assert (record.session_data, record.confirmed_at is not None) == (b'{"cart":[1]}', True)
        sessions.update(claims.sid, session_data={"cart": []}, jwt_payload={"role": "user"})
        third = sessions.refresh(token_of(second))
        assert sessions.verify(third.access_token).jwt_payload() == {"role": "user"}
        assert (sessions.get(claims.sid)).session_data == b'{"cart":[]}'
        assert [r.handle for r in sessions.list_user("user")] == [claims.sid]
        assert sessions.revoke([claims.sid]) == (claims.sid,)
        assert sessions.list_user("user") == ()
        names = [event.name for event in world.events.all if event.session_handle]
        assert names == [
            EventName.SESSION_CREATED,
            EventName.SESSION_REFRESHED,
            EventName.SESSION_REFRESHED,
            EventName.SESSION_REVOKED,
        ]

    def test_all_sessions_of_a_user_are_listed_however_many_there_are(self, world: World) -> None:
        sessions = world.sessions()
        handles = [f"handle {n}" for n in range(PAGE + 1)]
        for n in range(0, len(handles), 32):
            together(partial(world.store.insert, Scope(), new_session(handle)) for handle in handles[n : n + 32])
        assert sorted(record.handle for record in sessions.list_user("user")) == sorted(handles)
        sessions.revoke(handles[-1:])
        assert len(sessions.list_user("user")) == PAGE

    def test_every_error_has_its_code(self, world: World) -> None:
        sessions = world.sessions(theft_response="report")
        pair = sessions.create("user")
        line = family_of(sessions, pair, 2)
        with pytest.raises(TryRefreshToken) as try_refresh:
            sessions.verify("no token")
        assert try_refresh.value.code == TRY_REFRESH_TOKEN
        assert (error_of(sessions, "no token")).code == UNAUTHORISED
        assert (error_of(sessions, line[0])).code == TOKEN_THEFT_DETECTED
        world.store.down = True
        assert (error_of(sessions, line[-1])).code == GENERAL_ERROR

    @pytest.mark.parametrize("handle", ["", "absent", "00000000-0000-4000-8000-000000000000", "x" * 500, "'", "\0"])
    def test_an_unknown_handle_is_unauthorised_and_ends_nothing(self, world: World, handle: str) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        with pytest.raises(Unauthorised) as get:
            sessions.get(handle)
        with pytest.raises(Unauthorised) as update:
            sessions.update(handle, session_data={})
        assert (get.value.reason, update.value.reason) == (Refusal.UNKNOWN_SESSION, Refusal.UNKNOWN_SESSION)
        assert sessions.revoke([handle]) == ()
        assert sessions.revoke_user(handle) == ()
        sessions.check(pair.claims)

    @pytest.mark.parametrize("user_id", USER_IDS, ids=range(len(USER_IDS)))
    def test_a_user_id_travels_byte_for_byte(self, world: World, user_id: str) -> None:
        sessions = world.sessions()
        pair = sessions.create(user_id)
        assert sessions.verify(pair.access_token).sub == user_id
        assert [r.user_id for r in sessions.list_user(user_id)] == [user_id]
        assert (sessions.refresh(token_of(pair))).claims.sub == user_id

    @pytest.mark.parametrize("unfit", [4711, UUID(int=1), None, b"user", True, 1.5, ("user",)], ids=repr)
    def test_an_id_that_is_not_text_is_refused_by_the_argument_s_name(
        self, world: World, unfit: Any
    ) -> None:
        sessions = world.sessions()
        sessions.create(str(unfit))
        calls: dict[str, list[Callable[[], object]]] = {
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
                    call()
                assert refused.value.field == field
        assert len(sessions.list_user(str(unfit))) == 1

    def test_an_id_that_is_a_kind_of_text_is_the_text_that_it_holds(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create(KindOfText.USER)
        handle = Loud(pair.claims.sid)
        assert type(pair.claims.sub) is str
        assert [r.handle for r in sessions.list_user("alice")] == [str.__str__(handle)]
        assert (sessions.get(handle)).user_id == "alice"
        assert (sessions.update(handle, session_data={"a": 1})).session_data == b'{"a":1}'
        assert sessions.why_ended([handle]) == {}
        assert sessions.revoke_user(KindOfText.USER, keep=handle) == ()
        assert sessions.revoke([handle]) == (pair.claims.sid,)
        assert set(sessions.why_ended([handle, "\ud800"])) == {pair.claims.sid, "\ud800"}

    def test_unfit_input_is_refused_and_stores_nothing(self, world: World) -> None:
        sessions = world.sessions()
        for user_id in ("", "x" * 513, "nul\0", "\ud800"):
            with pytest.raises(InvalidInput):
                sessions.create(user_id)
        for unfit in ({"n": float("nan")}, {"t": (1,)}, {"b": b""}, {"huge": 2**64}, {"s": "\ud800"}):
            with pytest.raises(InvalidInput):
                sessions.create("user", unfit)
            with pytest.raises(InvalidInput):
                sessions.create("user", None, unfit)
        with pytest.raises(AccessTokenTooLarge):
            sessions.create("user", {"long": "x" * 5000})
        assert sessions.list_user("user") == ()

    def test_an_access_token_ends_and_a_refresh_brings_another(self, world: World) -> None:
        sessions = world.sessions(access_token_validity=60)
        pair = sessions.create("user")
        world.clock.advance(60 * SECOND - 1)
        sessions.verify(pair.access_token)
        world.clock.advance(1)
        with pytest.raises(TryRefreshToken):
            sessions.verify(pair.access_token)
        assert sessions.verify(pair.access_token, expired_too=True) == pair.claims
        sessions.verify((sessions.refresh(token_of(pair))).access_token)
