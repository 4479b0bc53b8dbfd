"""Cases of sessions that SDKs of the core-driver interface use."""

from __future__ import annotations

from typing import Any

import pytest

from reseal.core import cases
from reseal.core.cases import CaseFilter, CasePlace
from reseal.core.model import Scope
from tests.server.material import HOUR, core

CREATE = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}


async def refresh(it: Any, token: str, cdi: str) -> Any:
    body = {"refreshToken": token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
    return (await it.call("POST", "/recipe/session/refresh", body, cdi=cdi)).json


@pytest.mark.parametrize(("cdi", "response"), [("5.4", "report"), ("5.6", "revoke_session")])
@pytest.mark.parametrize("kept", [0, 90])
async def test_a_theft_has_a_case_if_the_service_keeps_them(cdi: str, response: str, kept: int) -> None:
    async with core(theft_cases=kept) as it:
        created = (await it.call("POST", "/recipe/session", CREATE, cdi=cdi)).json
        token = created["refreshToken"]["token"]
        second = await refresh(it, token, cdi)
        await refresh(it, second["refreshToken"]["token"], cdi)
        it.clock.advance(HOUR)
        assert (await refresh(it, token, cdi))["status"] == "TOKEN_THEFT_DETECTED"
        found = await it.store.list_cases(Scope(), CaseFilter(), CasePlace(), 10)
    if not kept:
        assert found == ()
        return
    [case] = map(cases.read, found)
    assert (case.id, case.user_id, case.subtype) == (created["session"]["handle"], "u", "older")
    assert case.response == response
