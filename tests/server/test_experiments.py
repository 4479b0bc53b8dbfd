"""The experiments and their checker find a service that breaks its promises."""

from __future__ import annotations

import pytest

from tests.server.experiments import Report, crash_store, present_at_once
from tests.server.load import Load

STORE = """
from reseal._async.stores.postgres import AsyncPostgresStore as Store
"""
SIGNS_NOBODY_OUT = (
    STORE
    + """
async def end(self, scope, handles, reason, reports=(), note=None):
    return tuple(handles)
Store.end = end
"""
)
FORGETS = (
    STORE
    + """
replace = Store.replace
async def forget(self, scope, record, reports=()):
    return True
Store.replace = forget
"""
)
REFUSES_A_REPEAT = """
from reseal._async.token_families import AsyncTokenFamilies as Line
from reseal.core.errors import Refusal
async def replay(self, verdict, found, token, caller):
    raise self.refused(Refusal.EXPIRED, token.handle, caller)
Line._replay = replay
"""
TAKES_A_FAULT_FOR_AN_END = (
    STORE
    + """
from reseal.core.errors import Refusal, StoreUnavailable, Unauthorised
rotate = Store.rotate
async def refuse(self, scope, rotation, reports=()):
    try:
        return await rotate(self, scope, rotation, reports)
    except StoreUnavailable:
        raise Unauthorised(Refusal.EXPIRED) from None
Store.rotate = refuse
"""
)


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [(SIGNS_NOBODY_OUT, "P5: "), (FORGETS, "P6, P12: "), (REFUSES_A_REPEAT, "P2, P10: ")],
    ids=["signs nobody out", "forgets", "refuses a repeat"],
)
async def test_browsers_alone_notice_what_is_wrong(sharing, mutant, expected):
    load = Load(await sharing.start(2, before=mutant))
    await load.during(load.more(300))
    await load.nothing_was_lost()
    assert [text for text in load.violations if expected in text]


async def test_a_service_that_does_not_repeat_itself_is_noticed_by_64_at_once(sharing):
    processes, report = await sharing.start(2, before=REFUSES_A_REPEAT), Report()
    _, reply = await processes[0].create("user")
    await present_at_once(processes, reply["refreshToken"]["token"], report)
    assert report.violations[0].startswith("P3, P7: ")


async def test_a_service_that_takes_a_fault_for_an_end_is_noticed_when_the_database_crashes(sharing, server):
    load, report = Load(await sharing.start(2, before=TAKES_A_FAULT_FOR_AN_END)), Report()
    await load.during(crash_store(server, load, [1], report))
    await load.nothing_was_lost()
    assert [text for text in load.violations if "P2, P10: " in text]
