"""Whose address and browser are the evidence of a theft, where a backend calls for its users."""

import pytest

from tests.server.material import HOUR, KEY, core, keyed

CREATE = {"userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
BACKEND = ("192.0.2.1", 1)


def of(ip=None, agent=None):
    return [
        *keyed(),
        *([(b"reseal-end-user-ip", ip.encode())] if ip is not None else []),
        *([(b"reseal-end-user-agent", agent.encode())] if agent is not None else []),
    ]


async def refresh(it, token, headers, cdi="5.4"):
    body = {"refreshToken": token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
    answer = await it.call("POST", "/recipe/session/refresh", body, headers=headers, client=BACKEND, cdi=cdi)
    return answer.json


async def test_the_evidence_of_a_theft_is_of_the_browsers_and_not_of_the_backend():
    async with core(api_keys=(KEY,)) as it:
        headers = of("203.0.113.5", "Alice/1")
        created = await it.call("POST", "/recipe/session", CREATE, headers=headers, client=BACKEND)
        token = created.json["refreshToken"]["token"]
        second = await refresh(it, token, headers)
        await refresh(it, second["refreshToken"]["token"], of("203.0.113.5", "Alice/2"))
        it.clock.advance(HOUR)
        assert (await refresh(it, token, of("[2001:db8::7]:443", "Mallory/9")))["status"] == "TOKEN_THEFT_DETECTED"
        [theft] = [event for event in it.events if event.name == "token_theft"]
        assert tuple(theft.device) == ("2001:db8::7", "Mallory/9")
        assert tuple(theft.other_device) == ("203.0.113.5", "Alice/2")


@pytest.mark.parametrize(
    ("headers", "device"),
    [
        (keyed(), ("192.0.2.1", None)),
        (of(agent="A/1"), (None, "A/1")),
        (of("nobody"), (None, None)),
        (of("203.0.113.5", "x" * 5000), ("203.0.113.5", "x" * 512)),
        (of("203.0.113.5") + of("203.0.113.6")[1:], (None, None)),
        (of("203.0.113.5", "a\x1bb"), ("203.0.113.5", "ab")),
    ],
)
async def test_what_a_backend_says_is_bounded_and_not_completed_by_its_own_address(headers, device):
    async with core(api_keys=(KEY,)) as it:
        await it.call("POST", "/recipe/session", CREATE, headers=headers, client=BACKEND)
        [created] = [event for event in it.events if event.name == "session_created"]
        assert (created.device.ip, created.device.user_agent) == device
