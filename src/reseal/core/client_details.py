"""What of a client's address and user agent is kept and reported."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from reseal.core.model import Device

_IPV4_PREFIX: Final = 24
_IPV6_PREFIX: Final = 48
"""Prefixes of the networks to which addresses are cut: those of many customers, or of one site."""


class ClientDetails(StrEnum):
    """How much of the origin of a request may be kept: in the store, in events and in logs."""

    FULL = "full"
    TRUNCATED = "truncated"
    """The network of the address (IPv4 /24, IPv6 /48), and the user agent."""
    NO_ADDRESS = "no_address"
    """The user agent alone."""
    NONE = "none"


def kept(device: Device, details: ClientDetails) -> Device:
    """Return the part of a device that may be kept."""
    if details is ClientDetails.FULL:
        return device
    if details is ClientDetails.NONE:
        return Device()
    return device._replace(ip=network_of(device.ip) if details is ClientDetails.TRUNCATED else None)


def network_of(address: str | None) -> str | None:
    """Return the network of an address, or of a network; ``None`` for anything else, which might say more than that."""
    with suppress(ValueError):
        if "/" in (address or ""):
            return str(ip_network(address or ""))
        read = ip_address((address or "").partition("%")[0])  # without the zone of a link
        mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else read
        return str(ip_network((read, _IPV6_PREFIX) if mapped is None else (mapped, _IPV4_PREFIX), strict=False))
    return None
