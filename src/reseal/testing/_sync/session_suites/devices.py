# Generated from src/reseal/testing/_async/session_suites/devices.py by tools/unasync.py; edit that file instead.
"""Lists of devices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reseal._sync.user_sessions import UserSessions
from reseal.core.errors import InvalidInput, Refusal, Unauthorised
from reseal.core.events import Caller, EventName
from reseal.core.model import Device, EndReason
from reseal.devices import DeviceKind, SessionInfo
from reseal.testing._sync.session_suites.base import OWNER, THIEF, SessionTests, caught, reason_of, token_of
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
TABLET = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
COMPUTER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NOTE = "you signed in on another phone"


class Listed(UserSessions):
    def __init__(self, backend: Any) -> None:
        self.backend = backend


def by(user_agent: str) -> Caller:
    return Caller(Device("192.0.2.7", user_agent))


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def opened(world: World, **changes: Any) -> Listed:
    return Listed(world.sessions(**changes))


def handles(reseal: Listed, user_id: str = "user", **more: Any) -> list[str]:
    return [each.handle for each in reseal.list_sessions(user_id, **more)]


def one(reseal: Listed, user_id: str = "user", **more: Any) -> SessionInfo:
    [found] = reseal.list_sessions(user_id, **more)
    return found


class DeviceListSuite(SessionTests):
    def test_a_list_says_what_a_user_has_to_know_and_nothing_else(self, world: World) -> None:
        reseal = opened(world, device_list=True)
        began = world.clock.wall()
        payload = {"amr": ["pwd", "otp", 5], "role": "admin"}
        pair = reseal.backend.create("user", payload, {"cart": [1]}, caller=OWNER)
        world.clock.advance(HOUR)
        reseal.backend.refresh(token_of(pair), caller=Caller(Device("192.0.2.7", PHONE)))
        shown = one(reseal, current=pair.claims.sid)
        assert (shown.created_at, shown.last_seen_at) == (began, began + HOUR)
        assert shown.expires_at > world.clock.wall()
        assert shown.current
        assert shown.authenticated_by == ("pwd", "otp")
        assert (shown.device.address, shown.device.user_agent) == ("192.0.2.7", PHONE)
        assert shown.device.kind is DeviceKind.PHONE
        assert shown.first_device is not None
        assert (shown.first_device.address, shown.first_device.user_agent) == OWNER.device
        assert (shown.name, shown.actor, shown.ended_at, shown.end_reason, shown.end_note) == (None,) * 5
        assert not {"jwt_payload", "session_data", "current_hash"} & set(shown.__struct_fields__)
        assert "admin" not in repr(shown)

    def test_unless_it_is_wanted_no_session_keeps_who_began_it(self, world: World) -> None:
        reseal = opened(world)
        pair = reseal.backend.create("user", caller=OWNER)
        assert (reseal.backend.get(pair.claims.sid)).about is None
        assert (one(reseal)).first_device is None

    def test_the_one_that_was_seen_last_comes_first(self, world: World) -> None:
        reseal = opened(world)
        pairs = []
        for _ in range(3):
            pairs.append(reseal.backend.create("user"))
            world.clock.advance(HOUR)
        reseal.backend.create("another")
        first, second, third = (pair.claims.sid for pair in pairs)
        assert handles(reseal) == [third, second, first]
        reseal.backend.refresh(token_of(pairs[0]))
        assert handles(reseal) == [first, third, second]
        assert [each.current for each in reseal.list_sessions("user", current=second)] == [False, False, True]

    def test_a_user_names_a_device_and_a_refresh_keeps_the_name(self, world: World) -> None:
        reseal = opened(world, device_list=True)
        pair = reseal.backend.create("user", caller=OWNER)
        sid = pair.claims.sid
        reseal.rename_session(sid, "  Zoë's laptop ")
        reseal.backend.refresh(token_of(pair), caller=THIEF)
        shown = one(reseal)
        assert shown.name == "Zoë's laptop"
        assert shown.first_device is not None
        assert shown.first_device.address == "192.0.2.1"
        reseal.rename_session(sid, " ")
        assert (one(reseal)).name is None
        for name in ("x" * 65, "two\nlines", "\ud800"):
            assert isinstance(caught(reseal.rename_session, sid, name), InvalidInput)
        for absent in ("absent", "\0"):
            assert isinstance(caught(reseal.rename_session, absent, "name"), Unauthorised)

    @pytest.mark.parametrize("outbox", ["off", "security"])
    def test_the_callers_own_reason_is_told_beside_ours(self, world: World, outbox: str) -> None:
        reseal = opened(world, event_outbox=outbox)
        pair, other = [reseal.backend.create("user") for _ in range(2)]
        assert reseal.revoke_session_using_session_handle(pair.claims.sid, note=NOTE)
        for call, argument in ((reseal.backend.get, pair.claims.sid), (reseal.backend.refresh, token_of(pair))):
            error = caught(call, argument)
            assert isinstance(error, Unauthorised)
            assert (error.reason, error.note) == (Refusal.REVOKED, NOTE)
        [event] = world.events.named(EventName.SESSION_REVOKED)
        assert (event.session_handle, event.reason, event.note) == (pair.claims.sid, "revoked", NOTE)
        assert reseal.revoke_all_sessions_for_user("user", note="closed") == (other.claims.sid,)
        assert reason_of(reseal.backend.get, other.claims.sid) is Refusal.USER_REVOKED
        for note in ("x" * 257, "two\nlines"):
            assert isinstance(caught(reseal.backend.revoke, [], EndReason.REVOKED, note), InvalidInput)

    def test_all_but_one_end_for_a_reason_in_the_callers_words(self, world: World) -> None:
        reseal = opened(world)
        pairs = [reseal.backend.create("user") for _ in range(3)]
        reseal.backend.create("another")
        kept, *others = (pair.claims.sid for pair in pairs)
        assert set(reseal.revoke_all_sessions_for_user("user", keep=kept, note=NOTE)) == set(others)
        assert handles(reseal) == [kept]
        assert len(handles(reseal, "another")) == 1

    def test_of_a_user_s_sessions_those_of_one_kind_end(self, world: World) -> None:
        reseal = opened(world)
        pairs = {agent: reseal.backend.create("user", caller=by(agent)) for agent in (PHONE, TABLET, COMPUTER)}
        another = reseal.backend.create("another", caller=by(PHONE))
        assert reseal.end_sessions("user", kind=DeviceKind.PHONE, note=NOTE) == (pairs[PHONE].claims.sid,)
        assert reseal.end_sessions("user", kind=DeviceKind.PHONE) == ()
        assert set(handles(reseal)) == {pairs[TABLET].claims.sid, pairs[COMPUTER].claims.sid}
        assert handles(reseal, "another") == [another.claims.sid]
        assert (caught(reseal.backend.get, pairs[PHONE].claims.sid)).note == NOTE  # type: ignore[union-attr]

    def test_of_a_user_s_sessions_the_older_ones_end_and_those_not_seen_for_long(self, world: World) -> None:
        reseal = opened(world)
        pairs = []
        for _ in range(3):
            pairs.append(reseal.backend.create("user"))
            world.clock.advance(HOUR)
        old, unused, new = pairs
        reseal.backend.refresh(token_of(old))
        an_hour_ago = at(world.clock.wall() - 2 * HOUR + 1)
        assert reseal.end_sessions("user", last_seen_before=an_hour_ago) == (unused.claims.sid,)
        assert reseal.end_sessions("user", begun_before=an_hour_ago) == (old.claims.sid,)
        assert handles(reseal) == [new.claims.sid]
        assert isinstance(caught(reseal.end_sessions, "user", begun_before=5), InvalidInput)

    def test_of_a_user_s_sessions_those_with_a_claim_end_but_the_one_that_is_kept(
        self, world: World
    ) -> None:
        reseal = opened(world)
        admins = [(reseal.backend.create("user", {"role": "admin", "n": 1})).claims.sid for _ in range(2)]
        other = (reseal.backend.create("user", {"role": "user", "n": True})).claims.sid
        reseal.backend.create("user")
        assert reseal.end_sessions("user", claim=("n", True)) == (other,)
        assert reseal.end_sessions("user", claim=("role", "admin"), keep=admins[1]) == (admins[0],)
        assert {admins[1], *handles(reseal)} == set(handles(reseal))
        assert len(reseal.end_sessions("user", keep=admins[1])) == 1

    def test_in_a_tenant_or_an_app_the_sessions_with_a_claim_or_of_a_kind_end(self, world: World) -> None:
        reseal = opened(world)
        plans = {plan: (reseal.backend.create(f"u-{plan}", {"plan": plan})).claims.sid for plan in ("free", "x")}
        phone = (reseal.backend.create("u-free", caller=by(PHONE))).claims.sid
        world.clock.advance(1)
        now = at(world.clock.wall())
        assert reseal.end_sessions_before(now, claim=("plan", "free"), note="the plan was closed") == 1
        assert reason_of(reseal.backend.get, plans["free"]) is Refusal.REVOKED
        assert world.events.named(EventName.SESSION_REVOKED)[-1].note == "the plan was closed"
        assert reseal.end_sessions_before(now, kind=DeviceKind.PHONE, all_tenants=True) == 1
        assert reason_of(reseal.backend.get, phone) is Refusal.REVOKED
        assert reseal.end_sessions_before(now) == 1
        assert reason_of(reseal.backend.get, plans["x"]) is Refusal.NOT_BEFORE
        for wrong in (None, 5, datetime(2026, 1, 1)):  # noqa: DTZ001 - the mistake
            assert isinstance(caught(reseal.end_sessions_before, wrong), InvalidInput)
        assert isinstance(caught(reseal.end_sessions_before, now, note="x" * 257), InvalidInput)

    def test_what_ended_lately_is_listed_with_the_reason(self, world: World) -> None:
        reseal = opened(world, refresh_token_validity=600, session_absolute_timeout=1200)
        expired, ended, live = [(reseal.backend.create("user")) for _ in range(3)]
        world.clock.advance(HOUR)
        reseal.backend.refresh(token_of(live))
        reseal.revoke_multiple_sessions([ended.claims.sid], note=NOTE)
        world.clock.advance(9 * HOUR)
        assert handles(reseal) == [live.claims.sid]
        listed = reseal.list_sessions("user", ended_within=DAY)
        said = [(each.handle, each.end_reason, each.end_note) for each in listed]
        assert said == [
            (live.claims.sid, None, None),
            (expired.claims.sid, "expired", None),
            (ended.claims.sid, "revoked", NOTE),
        ]
        assert [each.ended_at for each in listed] == [None, world.clock.wall(), world.clock.wall() - 9 * HOUR]
        assert handles(reseal, ended_within=HOUR) == [live.claims.sid, expired.claims.sid]
        assert handles(reseal, "\ud800", ended_within=HOUR) == []

    def test_the_absolute_end_is_called_so(self, world: World) -> None:
        reseal = opened(world, refresh_token_validity=600, session_absolute_timeout=120)
        reseal.backend.create("user")
        world.clock.advance(2 * HOUR)
        assert (one(reseal, ended_within=DAY)).end_reason == "absolute_timeout"
