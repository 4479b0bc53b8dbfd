"""Whose call it is: addresses in one normal form, of the connection or, behind trusted proxies, before them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from reseal.settings.problems import UnfitError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
_LONGEST = 80
"""Characters; what is longer is no address."""
_SITE = 64
"""Bits of an IPv6 address that name a site; who has one has all that begin like it."""


def networks(value: object) -> tuple[str, ...]:
    """Read addresses and networks, from a list or from text with commas. Raises ``UnfitError``."""
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise UnfitError("must be a list of networks", "write it like [10.0.0.0/8, '::1']")
    return tuple(dict.fromkeys(_network(entry) for entry in entries if str(entry).strip()))


class Proxies:
    """The proxies whose word on addresses is taken."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self.trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = tuple(
            ipaddress.ip_network(each) for each in trusted
        )

    def caller(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """Give the address closest to us that is not a trusted proxy's, or ``None`` if it cannot be read.

        ``peer`` is that of the connection, ``forwarded`` the values of ``X-Forwarded-For`` in their order: each proxy
        appends whom it was called by, so what stands further left than the first stranger is the stranger's word.
        """
        if not self.trusted:
            return normal(peer or "")
        address = _read(peer or "")
        hops = [hop for line in forwarded for hop in line.split(",")] if self._trusts(address) else []
        while hops and self._trusts(address):
            address = _read(hops.pop())
        return None if address is None else str(address)

    def trusts(self, peer: str | None) -> bool:
        """Tell whether a connection comes from one of the proxies."""
        return self._trusts(_read(peer or "")) if self.trusted else False

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self.trusted)


def site(address: str | None) -> str:
    """Name all addresses that one party has for certain: an IPv4 address itself, 64 bits of an IPv6 address."""
    if address is None or ":" not in address:
        return address or ""
    return str(ipaddress.ip_network((address, _SITE), strict=False))


def equivalent_forms(address: str) -> tuple[str, ...]:
    """Give the forms that a pattern may mean: of IPv6 also the one with all eight groups, as Java writes it."""
    if ":" not in address:
        return (address,)
    groups = ipaddress.IPv6Address(address).exploded.split(":")
    return address, ":".join(f"{int(group, 16):x}" for group in groups)


def _network(entry: object) -> str:
    try:
        network = ipaddress.ip_network(str(entry).strip())
    except ValueError:
        raise UnfitError("must hold addresses and networks", "write it like [10.0.0.0/8, '::1']") from None
    if network.prefixlen == 0:
        raise UnfitError("must not trust every address", "anybody could then say who they are; name your proxies")
    return str(network)


def _read(text: str) -> _Address | None:
    """Read one address: without port, brackets and zone, and of IPv4 in IPv6 the IPv4 address."""
    return _parse(text.strip()) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def normal(text: str) -> str | None:
    """Give an address in its normal form, or ``None`` if this is none."""
    address = _read(text)
    return None if address is None else str(address)


@lru_cache(maxsize=4096)
def _parse(text: str) -> _Address | None:
    found = _WITH_PORT.fullmatch(text)
    bare = (found[1] or found[2]) if found else text
    try:
        address = ipaddress.ip_address((bare or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
