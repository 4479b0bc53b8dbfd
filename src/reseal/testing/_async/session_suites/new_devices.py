"""Events about devices that are not known."""

from __future__ import annotations

from typing import Final

from reseal.core.events import Caller, EventName
from reseal.core.model import Device, EndReason
from reseal.core.session_policy import SessionPolicy
from reseal.testing._async.session_suites.base import AsyncSessionTests
from reseal.testing._async.session_suites.devices import COMPUTER, PHONE, by
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR

NEWER: Final = COMPUTER.replace("140", "141")


class AsyncNewDeviceSuite(AsyncSessionTests):
    async def test_nothing_is_reported_and_nothing_is_read_unless_it_is_wanted(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for read in ("list_user", "list_ended"):
            world.store.refuse(read)
        await sessions.create("user", caller=by(COMPUTER))
        assert world.events.named(EventName.NEW_DEVICE) == []

    async def test_a_sign_in_from_a_device_that_is_not_known_is_reported_with_what_is_new(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(new_device_events=True)

        async def reason(agent: str | None, ip: str | None = "192.0.2.7", user_id: str = "user") -> str | None:
            before = len(world.events.named(EventName.NEW_DEVICE))
            pair = await sessions.create(user_id, caller=Caller(Device(ip, agent), "request-1"))
            events = world.events.named(EventName.NEW_DEVICE)[before:]
            assert all(each.session_handle == pair.claims.sid for each in events)
            assert all((each.user_id, each.correlation_id) == (user_id, "request-1") for each in events)
            assert all(each.device == Device(ip, agent) for each in events)
            return events[0].reason if events else None

        assert await reason(COMPUTER) == "first"
        assert await reason(COMPUTER) is None
        assert await reason(NEWER, "192.0.2.200") is None
        assert await reason(COMPUTER, "198.51.100.1") == "network"
        assert await reason(COMPUTER, "198.51.100.0/24") is None
        assert await reason(PHONE) == "client"
        assert await reason(PHONE, None) is None
        assert await reason(None) == "client"
        assert await reason(None, None) is None
        assert await reason(COMPUTER, user_id="another") == "first"

    async def test_a_device_stays_known_after_its_user_signed_out(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(new_device_events=True)
        pair = await sessions.create("user", caller=by(COMPUTER))
        world.clock.advance(HOUR)
        await sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT)
        world.clock.advance(DAY)
        await sessions.create("user", caller=by(NEWER))
        assert len(world.events.named(EventName.NEW_DEVICE)) == 1

    async def test_a_device_stays_known_that_another_sign_in_took_the_place_of(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(new_device_events=True)
        one = SessionPolicy(max_sessions=1)
        for agent in (COMPUTER, PHONE) * 3:
            world.clock.advance(HOUR)
            await sessions.create("user", caller=by(agent), policy=one)
        reasons = [each.reason for each in world.events.named(EventName.NEW_DEVICE)]
        assert reasons == ["first", "client"]

    async def test_a_device_whose_session_others_ended_is_reported_again(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(new_device_events=True)
        await sessions.create("user", caller=by(COMPUTER))
        for _ in range(2):
            intruder = await sessions.create("user", caller=by(PHONE))
            await sessions.revoke([intruder.claims.sid])
        reasons = [each.reason for each in world.events.named(EventName.NEW_DEVICE)]
        assert reasons == ["first", "client", "client"]
