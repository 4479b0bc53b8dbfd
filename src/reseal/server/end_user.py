"""The end user's device as reported by the backend: evidence for events; the connection shows only the backend."""

from __future__ import annotations

from typing import Final

from reseal.core.model import Device
from reseal.server.address import normal
from reseal.server.http.messages import Request

ADDRESS: Final = b"reseal-end-user-ip"
USER_AGENT: Final = b"reseal-end-user-agent"


def device_of(request: Request) -> Device:
    """Return the device that an authenticated caller reports; for other callers, the connection's address.

    If the caller reports only one of the two, several, or an invalid address, the gap stays empty: it is never filled
    with the caller's own.
    """
    if not request.trace.known:
        return Device.of(request.client_ip, None)
    addresses, agents = request.all_of(ADDRESS), request.all_of(USER_AGENT)
    if not (addresses or agents):
        return Device.of(request.client_ip, None)
    address = normal(addresses[0]) if len(addresses) == 1 else None
    return Device.of(address, agents[0] if len(agents) == 1 else None)
