"""Which addresses a webhook may be sent to: not those that only this machine or its network reaches."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")
_UNICAST: Final = IPv6Network("2000::/3")
"""All global unicast addresses that are assigned. Older Pythons take some others for global."""


def is_public(text: str) -> bool:
    """Return whether an address is reachable for everybody. An IPv6 address with an IPv4 address in it is that one.

    Loopback, private, link-local (with the metadata services of clouds), shared, reserved and multicast ones are not.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        if inner is None:
            return address.is_global and address in _UNICAST
        address = inner
    return address.is_global and not address.is_multicast


def _translated(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
