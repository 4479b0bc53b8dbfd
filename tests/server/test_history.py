"""The history checker finds what it is there to find."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.server.history import GONE, OK, THEFT, UNKNOWN, Call, History


def token(number, of="line"):
    return b64encode(f"{of}.handle.{number}".encode()).decode() + ".mac"


def refresh(began, ended, number, *, outcome=OK, child=None):
    got = child or token(number + 1) if outcome == OK else None
    return Call("refresh", began, ended, outcome, token(number), got)


def plain(name, began, ended, outcome=OK, **more):
    return Call(name, began, ended, outcome, **more)


def found(*calls):
    history = History("handle")
    for call in calls:
        history.note(call)
    return [text.split(": ")[1] for text in history.violations()]


@pytest.mark.parametrize(
    "calls",
    [
        [refresh(0, 1, 0), refresh(2, 3, 1), refresh(4, 5, 2)],
        [refresh(0, 3, 0), refresh(1, 2, 0), refresh(4, 5, 1)],  # two tabs
        [refresh(0, 1, 0, outcome=UNKNOWN), refresh(2, 3, 0), refresh(4, 5, 1)],
        [refresh(0, 3, 1), refresh(1, 2, 0)],  # they overlap
        [plain("update", 0, 1, sent=1), plain("update", 2, 3, UNKNOWN, sent=2), plain("read", 4, 5, got=1)],
        [plain("update", 0, 1, sent=1), plain("update", 2, 3, UNKNOWN, sent=2), plain("read", 4, 5, got=2)],
        [plain("update", 0, 3, sent=1), plain("read", 1, 2, got=0), plain("read", 1, 2, got=1)],
        [plain("remove", 0, 1, UNKNOWN), plain("verify", 0, 3, GONE), plain("remove", 4, 5, got=False)],
        [plain("remove", 1, 3, got=True), refresh(2, 4, 0)],  # they overlap
    ],
)
def test_what_can_be_is_let_through(calls):
    assert found(*calls) == []


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([refresh(0, 1, 0, outcome=THEFT)], "P2"),
        ([refresh(0, 1, 0, outcome=GONE), plain("remove", 2, 3, got=False)], "P2, P10"),
        ([plain("verify", 0, 1, "TRY_REFRESH_TOKEN")], "P10"),
        ([refresh(0, 1, 0), refresh(0, 1, 0, child=token(1, of="another"))], "P3, P7"),
        ([refresh(0, 1, 0, child=token(2))], "P3"),
        ([plain("remove", 0, 1, got=True), refresh(2, 3, 0)], "P5, P8"),
        ([plain("remove", 0, 1, UNKNOWN), plain("verify", 1, 2, GONE), plain("verify", 3, 4)], "P5, P8"),
        ([plain("remove", 0, 1, got=True), plain("remove", 2, 3, got=True)], "P6"),
        ([refresh(0, 1, 0), refresh(2, 3, 1), refresh(4, 5, 0)], "P6"),
        ([plain("update", 0, 1, sent=1), plain("read", 2, 3, got=0)], "P6, P12"),
        ([plain("update", 0, 1, sent=1), plain("update", 2, 3, sent=2), plain("read", 4, 5, got=1)], "P6, P12"),
        ([plain("read", 0, 1, got=1), plain("update", 2, 3, sent=1)], "P6, P12"),
    ],
)
def test_what_cannot_be_is_named_by_the_property_that_it_violates(calls, expected):
    assert found(*calls) == [expected]
