# Generated from src/reseal/testing/_async/session_suites/tickets.py by tools/unasync.py; edit that file instead.
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
from reseal.testing._sync.session_suites.base import SECOND, WINDOW, SessionTests, errors_in, reason_of, token_of
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR


class TicketSuite(SessionTests):
    def test_of_many_who_show_one_ticket_one_gets_the_session(self, world: World) -> None:
        sessions = world.sessions()
        beside = world.sessions()
        pair = sessions.create("user", {"a": 1})
        for _ in range(3):
            ticket = sessions.issue_ticket(pair.claims, "/live")
            tries = [partial(each.redeem_ticket, ticket, "/live") for each in (sessions, beside) for _ in range(4)]
            results = together(tries)
            [redeemed] = [result for result in results if isinstance(result, TokenPair)]
            claims = sessions.verify(redeemed.access_token)
            assert (claims.sub, claims.sid, claims.gen) == ("user", pair.claims.sid, 0)
            assert (claims.jwt_payload(), redeemed.refresh_token) == ({"a": 1}, None)
            assert [e.reason for e in errors_in(results) if isinstance(e, Unauthorised)] == [Refusal.TICKET] * 7

    def test_a_ticket_is_good_for_its_purpose_and_its_half_minute(self, world: World) -> None:
        sessions = world.sessions()
        claims = (sessions.create("user")).claims
        ticket = sessions.issue_ticket(claims, "/live")
        for purpose in ("", "/", "/liv", "/live/", "/LIVE", "/live\0"):
            assert reason_of(sessions.redeem_ticket, ticket, purpose) is Refusal.TICKET
        world.clock.advance(30 * SECOND - 1)
        sessions.redeem_ticket(ticket, "/live")
        late = sessions.issue_ticket(claims, "/live")
        world.clock.advance(30 * SECOND)
        assert reason_of(sessions.redeem_ticket, late, "/live") is Refusal.TICKET

    def test_a_ticket_from_a_time_that_was_put_right_opens_nothing(self, world: World) -> None:
        sessions = world.sessions()
        claims = (sessions.create("user")).claims
        world.clock.advance(HOUR)
        early = sessions.issue_ticket(claims, "/live")
        world.clock.jump(-HOUR)
        world.store.repair_clock()
        assert reason_of(sessions.redeem_ticket, early, "/live") is Refusal.TICKET
        sessions.redeem_ticket(sessions.issue_ticket(claims, "/live"), "/live")

    def test_a_ticket_counts_in_its_own_app_and_tenant(self, world: World) -> None:
        sessions = world.sessions()
        world.store.put_tenant(Scope("public", "other"), b"{}")
        foreign = world.sessions(tenant_id="other")
        ticket = sessions.issue_ticket((sessions.create("user")).claims, "/live")
        assert reason_of(foreign.redeem_ticket, ticket, "/live") is Refusal.TICKET
        sessions.redeem_ticket(ticket, "/live")

    def test_a_forged_ticket_opens_nothing_and_uses_nothing_up(self, world: World) -> None:
        sessions = world.sessions()
        claims = (sessions.create("user")).claims
        ticket = sessions.issue_ticket(claims, "/live")
        parts = ticket.split(".")
        parts[3] = str(int(parts[3]) + DAY)
        others = ["", "t1", ticket[:-1], ticket + "A", ticket + "\n", ".".join(parts), claims.sid, "é", "\ud800"]
        others += [ticket[:at] + ("A" if ticket[at] != "A" else "B") + ticket[at + 1 :] for at in range(len(ticket))]
        for other in others:
            assert reason_of(sessions.redeem_ticket, other, "/live") is Refusal.TICKET, other
        sessions.redeem_ticket(ticket, "/live")

    def test_a_ticket_ends_with_its_session(self, world: World) -> None:
        sessions = world.sessions()
        claims = (sessions.create("user")).claims
        ticket = sessions.issue_ticket(claims, "/live")
        sessions.revoke([claims.sid])
        assert reason_of(sessions.redeem_ticket, ticket, "/live") is Refusal.REVOKED
        assert reason_of(sessions.issue_ticket, claims, "/live") is Refusal.REVOKED

    def test_a_ticket_confirms_no_generation_that_the_browser_may_have_lost(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        ticket = sessions.issue_ticket(pair.claims, "/live")
        lost = sessions.refresh(token_of(pair))
        redeemed = sessions.redeem_ticket(ticket, "/live")
        sessions.check(sessions.verify(redeemed.access_token))
        world.clock.advance(WINDOW + HOUR)
        assert (sessions.refresh(token_of(pair))).refresh_token == lost.refresh_token
        assert world.events.named(EventName.TOKEN_THEFT) == []

    def test_of_many_sessions_those_that_are_over_are_named_with_the_reason(self, world: World) -> None:
        sessions = world.sessions(refresh_token_validity=120)
        idle = (sessions.create("user")).claims.sid
        world.clock.advance(HOUR)
        live, revoked, ended = [(sessions.create("user")).claims.sid for _ in range(3)]
        sessions.revoke([revoked])
        sessions.revoke([ended], EndReason.SIGNED_OUT)
        world.clock.advance(HOUR)
        asked = [idle, live, revoked, ended, "absent", "\0"]
        assert sessions.why_ended(iter(asked)) == {
            idle: Refusal.EXPIRED,
            revoked: Refusal.REVOKED,
            ended: Refusal.SIGNED_OUT,
            "absent": Refusal.UNKNOWN_SESSION,
            "\0": Refusal.UNKNOWN_SESSION,
        }
        assert sessions.why_ended([]) == {}
