"""What the service says of itself: versions, liveness, public keys, the small calls of test-suites and dashboards."""

from __future__ import annotations

import ipaddress
from functools import cache
from importlib.resources import files
from typing import Final

from reseal.cdi import keys, replies
from reseal.cdi.body import Body
from reseal.server.http import messages as http
from reseal.server.operations.call import Call, Reply

MINUTES_OF_A_DAY: Final = 1440
NOT_COUNTED: Final = -1
"""What a dashboard takes for a minute of which nothing is known."""


async def hello(_call: Call) -> http.Reply:
    return http.text_reply(200, "Hello")


async def apiversion(call: Call) -> Reply:
    return {"versions": call.service.versions}


async def jwks(call: Call) -> http.Reply:
    ring = await call.driver.ring()
    fresh_for = keys.jwks_max_age(ring, call.driver.app.signing_algorithm, call.service.now())
    cached = f"max-age={fresh_for}, must-revalidate".encode()
    return http.Reply(
        200, replies.encode({"keys": keys.jwks(ring, call.service.now())}), headers=((b"cache-control", cached),)
    )


async def config(call: Call) -> Reply:
    """Name the configuration file to whoever knows the process, from this machine; others learn nothing."""
    return {"status": "OK", "path": call.service.config_path} if _is_the_cli(call) else _NOT_ALLOWED


async def mode(call: Call) -> Reply:
    return {"status": "OK", "mode": "PRODUCTION"} if _is_the_cli(call) else _NOT_ALLOWED


async def telemetry(_call: Call) -> Reply:
    """Nothing is ever sent anywhere, so there is no id."""
    return {"exists": False}


async def features(_call: Call) -> Reply:
    return {"status": "OK", "features": ["multi_tenancy"], "usageStats": {}}


async def put_license(call: Call) -> Reply:
    """Accept a licence key and forget it: nothing here needs one."""
    Body(call.body).text_or_none("licenseKey")
    return {"status": "OK"}


async def get_license(_call: Call) -> Reply:
    return {"status": "NO_LICENSE_KEY_FOUND_ERROR"}


async def delete_license(_call: Call) -> Reply:
    return {"status": "OK"}


async def request_stats(call: Call) -> Reply:
    """Answer a dashboard that nothing was counted here; the service's metrics are elsewhere."""
    nothing = [NOT_COUNTED] * MINUTES_OF_A_DAY
    return {
        "status": "OK",
        "atMinute": call.service.now() // 60_000,
        "averageRequestsPerSecond": nothing,
        "peakRequestsPerSecond": nothing,
    }


async def openapi(_call: Call) -> http.Reply:
    return http.Reply(200, _document())


_NOT_ALLOWED: Final[Reply] = {"status": "NOT_ALLOWED"}


def _is_the_cli(call: Call) -> bool:
    return call.query.text("pid") == str(call.service.pid) and _is_this_machine(call.caller.device.ip)


def _is_this_machine(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@cache
def _document() -> bytes:
    return files("reseal.server").joinpath("openapi.json").read_bytes()
