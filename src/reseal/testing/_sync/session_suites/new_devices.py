# Generated from src/reseal/testing/_async/session_suites/new_devices.py by tools/unasync.py; edit that file instead.
"""Events about devices that are not known."""

from __future__ import annotations

from typing import Final

from reseal.core.events import Caller, EventName
from reseal.core.model import Device, EndReason
from reseal.core.session_policy import SessionPolicy
from reseal.testing._sync.session_suites.base import SessionTests
from reseal.testing._sync.session_suites.devices import COMPUTER, PHONE, by
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR

NEWER: Final = COMPUTER.replace("140", "141")


class NewDeviceSuite(SessionTests):
    def test_nothing_is_reported_and_nothing_is_read_unless_it_is_wanted(self, world: World) -> None:
        sessions = world.sessions()
        for read in ("list_user", "list_ended"):
            world.store.refuse(read)
        sessions.create("user", caller=by(COMPUTER))
        assert world.events.named(EventName.NEW_DEVICE) == []

    def test_a_sign_in_from_a_device_that_is_not_known_is_reported_with_what_is_new(
        self, world: World
    ) -> None:
        sessions = world.sessions(new_device_events=True)

        def reason(agent: str | None, ip: str | None = "192.0.2.7", user_id: str = "user") -> str | None:
            before = len(world.events.named(EventName.NEW_DEVICE))
            pair = sessions.create(user_id, caller=Caller(Device(ip, agent), "request-1"))
            events = world.events.named(EventName.NEW_DEVICE)[before:]
            assert all(each.session_handle == pair.claims.sid for each in events)
            assert all((each.user_id, each.correlation_id) == (user_id, "request-1") for each in events)
            assert all(each.device == Device(ip, agent) for each in events)
            return events[0].reason if events else None

        assert reason(COMPUTER) == "first"
        assert reason(COMPUTER) is None
        assert reason(NEWER, "192.0.2.200") is None
        assert reason(COMPUTER, "198.51.100.1") == "network"
        assert reason(COMPUTER, "198.51.100.0/24") is None
        assert reason(PHONE) == "client"
        assert reason(PHONE, None) is None
        assert reason(None) == "client"
        assert reason(None, None) is None
        assert reason(COMPUTER, user_id="another") == "first"

    def test_a_device_stays_known_after_its_user_signed_out(self, world: World) -> None:
        sessions = world.sessions(new_device_events=True)
        pair = sessions.create("user", caller=by(COMPUTER))
        world.clock.advance(HOUR)
        sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT)
        world.clock.advance(DAY)
        sessions.create("user", caller=by(NEWER))
        assert len(world.events.named(EventName.NEW_DEVICE)) == 1

    def test_a_device_stays_known_that_another_sign_in_took_the_place_of(self, world: World) -> None:
        sessions = world.sessions(new_device_events=True)
        one = SessionPolicy(max_sessions=1)
        for agent in (COMPUTER, PHONE) * 3:
            world.clock.advance(HOUR)
            sessions.create("user", caller=by(agent), policy=one)
        reasons = [each.reason for each in world.events.named(EventName.NEW_DEVICE)]
        assert reasons == ["first", "client"]

    def test_a_device_whose_session_others_ended_is_reported_again(self, world: World) -> None:
        sessions = world.sessions(new_device_events=True)
        sessions.create("user", caller=by(COMPUTER))
        for _ in range(2):
            intruder = sessions.create("user", caller=by(PHONE))
            sessions.revoke([intruder.claims.sid])
        reasons = [each.reason for each in world.events.named(EventName.NEW_DEVICE)]
        assert reasons == ["first", "client", "client"]
