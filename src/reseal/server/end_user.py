"""On whose behalf a backend calls, as it says: evidence for events, where the connection shows the backend alone."""

from __future__ import annotations

from typing import Final

from reseal.core.model import Device
from reseal.server.address import normal
from reseal.server.http.messages import Request

ADDRESS: Final = b"reseal-end-user-ip"
USER_AGENT: Final = b"reseal-end-user-agent"


def device_of(request: Request) -> Device:
    """Take the end user's address and user agent from a caller who is known, from anybody else that of the connection.

    A caller who names one and not the other, or what is no address, or two of them, is not completed by its own.
    """
    if not request.trace.known:
        return Device.of(request.client_ip, None)
    addresses, agents = request.all_of(ADDRESS), request.all_of(USER_AGENT)
    if not (addresses or agents):
        return Device.of(request.client_ip, None)
    address = normal(addresses[0]) if len(addresses) == 1 else None
    return Device.of(address, agents[0] if len(agents) == 1 else None)
