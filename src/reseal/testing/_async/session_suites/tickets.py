"""Tickets and the state of many."""

from __future__ import annotations

from functools import partial

from reseal.core.errors import (
    Refusal,
    Unauthorised,
)
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import SECOND, WINDOW, AsyncSessionTests, errors_in, reason_of, token_of
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR


class AsyncTicketSuite(AsyncSessionTests):
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
            assert [e.reason for e in errors_in(results) if isinstance(e, Unauthorised)] == [Refusal.TICKET] * 7

    async def test_a_ticket_is_good_for_its_purpose_and_its_half_minute(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        ticket = await sessions.issue_ticket(claims, "/live")
        for purpose in ("", "/", "/liv", "/live/", "/LIVE", "/live\0"):
            assert await reason_of(sessions.redeem_ticket, ticket, purpose) is Refusal.TICKET
        world.clock.advance(30 * SECOND - 1)
        await sessions.redeem_ticket(ticket, "/live")
        late = await sessions.issue_ticket(claims, "/live")
        world.clock.advance(30 * SECOND)
        assert await reason_of(sessions.redeem_ticket, late, "/live") is Refusal.TICKET

    async def test_a_ticket_from_a_time_that_was_put_right_opens_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        world.clock.advance(HOUR)
        early = await sessions.issue_ticket(claims, "/live")
        world.clock.jump(-HOUR)
        await world.store.repair_clock()
        assert await reason_of(sessions.redeem_ticket, early, "/live") is Refusal.TICKET
        await sessions.redeem_ticket(await sessions.issue_ticket(claims, "/live"), "/live")

    async def test_a_ticket_counts_in_its_own_app_and_tenant(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        await world.store.put_tenant(Scope("public", "other"), b"{}")
        foreign = await world.sessions(tenant_id="other")
        ticket = await sessions.issue_ticket((await sessions.create("user")).claims, "/live")
        assert await reason_of(foreign.redeem_ticket, ticket, "/live") is Refusal.TICKET
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
            assert await reason_of(sessions.redeem_ticket, other, "/live") is Refusal.TICKET, other
        await sessions.redeem_ticket(ticket, "/live")

    async def test_a_ticket_ends_with_its_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        claims = (await sessions.create("user")).claims
        ticket = await sessions.issue_ticket(claims, "/live")
        await sessions.revoke([claims.sid])
        assert await reason_of(sessions.redeem_ticket, ticket, "/live") is Refusal.REVOKED
        assert await reason_of(sessions.issue_ticket, claims, "/live") is Refusal.REVOKED

    async def test_a_ticket_confirms_no_generation_that_the_browser_may_have_lost(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        ticket = await sessions.issue_ticket(pair.claims, "/live")
        lost = await sessions.refresh(token_of(pair))
        redeemed = await sessions.redeem_ticket(ticket, "/live")
        await sessions.check(sessions.verify(redeemed.access_token))
        world.clock.advance(WINDOW + HOUR)
        assert (await sessions.refresh(token_of(pair))).refresh_token == lost.refresh_token
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
