"""What the service says of itself: versions, liveness, public keys, the small calls of test-suites and dashboards."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from reseal.cdi import replies
from reseal.cdi.body import Body
from reseal.server.http import Reply, text_reply
from reseal.server.operations.sessions import Call

if TYPE_CHECKING:
    from reseal.server.app import Service

Handler = Callable[[Call, "Service"], Awaitable[Reply]]

MINUTES_OF_A_DAY: Final = 1440
NOT_COUNTED: Final = -1
"""What a dashboard takes for a minute of which nothing is known."""


async def hello(_call: Call, _service: Service) -> Reply:
    return text_reply(200, "Hello")


async def apiversion(_call: Call, service: Service) -> Reply:
    return _json({"versions": service.settings.bounds.supported()})


async def jwks(call: Call, _service: Service) -> Reply:
    ring = await call.driver.ring()
    cached = f"max-age={ring.jwks_max_age(call.now())}, must-revalidate".encode()
    return Reply(200, replies.encode({"keys": ring.jwks(call.now())}), headers=((b"cache-control", cached),))


async def config(call: Call, service: Service) -> Reply:
    """Name the configuration file to whoever knows the process, from this machine; others learn nothing."""
    return _json({"status": "OK", "path": service.config_path} if _is_the_cli(call, service) else _NOT_ALLOWED)


async def mode(call: Call, service: Service) -> Reply:
    return _json({"status": "OK", "mode": "PRODUCTION"} if _is_the_cli(call, service) else _NOT_ALLOWED)


async def telemetry(_call: Call, _service: Service) -> Reply:
    """Nothing is ever sent anywhere, so there is no id."""
    return _json({"exists": False})


async def features(_call: Call, _service: Service) -> Reply:
    return _json({"status": "OK", "features": ["multi_tenancy"], "usageStats": {}})


async def put_license(call: Call, _service: Service) -> Reply:
    """Accept a licence key and forget it: nothing here needs one."""
    Body(call.body).text_or_none("licenseKey")
    return _json({"status": "OK"})


async def get_license(_call: Call, _service: Service) -> Reply:
    return _json({"status": "NO_LICENSE_KEY_FOUND_ERROR"})


async def delete_license(_call: Call, _service: Service) -> Reply:
    return _json({"status": "OK"})


async def request_stats(call: Call, _service: Service) -> Reply:
    """Answer a dashboard that nothing was counted here; the service's metrics are elsewhere."""
    nothing = [NOT_COUNTED] * MINUTES_OF_A_DAY
    return _json(
        {
            "status": "OK",
            "atMinute": call.now() // 60_000,
            "averageRequestsPerSecond": nothing,
            "peakRequestsPerSecond": nothing,
        }
    )


async def openapi(_call: Call, _service: Service) -> Reply:
    return Reply(200, _document())


HANDLERS: Final[dict[str, Handler]] = {
    handler.__name__: handler
    for handler in (
        hello,
        apiversion,
        jwks,
        config,
        mode,
        telemetry,
        features,
        put_license,
        get_license,
        delete_license,
        request_stats,
        openapi,
    )
}

_NOT_ALLOWED: Final = {"status": "NOT_ALLOWED"}


def _json(body: Any) -> Reply:
    return Reply(200, replies.encode(body))


def _is_the_cli(call: Call, service: Service) -> bool:
    return call.query.text("pid") == str(service.pid) and _is_this_machine(call.caller.device.ip)


def _is_this_machine(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@cache
def _document() -> bytes:
    return files("reseal.server").joinpath("openapi.json").read_bytes()
