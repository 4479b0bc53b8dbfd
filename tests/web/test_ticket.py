"""Tickets in a handshake's offer of sub-protocols."""

import pytest

from reseal.web import ticket
from reseal.web.facts import RequestFacts


def handshake(*offers):
    return RequestFacts.of("GET", "/live", [("sec-websocket-protocol", offer) for offer in offers])


@pytest.mark.parametrize(
    ("offers", "found"),
    [
        ([], None),
        ([""], None),
        (["reseal"], None),
        (["reseal.ticket"], None),
        (["Reseal.Ticket.x"], None),
        (["reseal, reseal.ticket.t1.a.b"], "t1.a.b"),
        (["reseal.ticket.t1,reseal"], "t1"),
        (["chat", "reseal.ticket.t1"], "t1"),
        (["reseal.ticket.one, reseal.ticket.two"], "one"),
        (["reseal.ticket."], ""),
    ],
)
def test_a_ticket_is_found_among_the_offered_names(offers, found):
    assert ticket.read(handshake(*offers)) == found


@pytest.mark.parametrize(
    ("offers", "ours", "chosen"),
    [
        ([], (), None),
        (["reseal"], (), "reseal"),
        (["reseal, reseal.ticket.t1"], (), "reseal"),
        (["reseal.ticket.t1"], (), None),
        (["reseal, chat.v1"], ("chat.v2", "chat.v1"), "chat.v1"),
        (["chat.v1", "chat.v2"], ("chat.v2", "chat.v1"), "chat.v2"),
        (["other"], ("chat.v1",), None),
        (["CHAT.V1"], ("chat.v1",), None),
    ],
)
def test_what_is_chosen_was_offered_and_is_no_ticket(offers, ours, chosen):
    assert ticket.choose(handshake(*offers), ours) == chosen
