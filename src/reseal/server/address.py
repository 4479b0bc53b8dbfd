"""The client's address in normal form: the connection's peer or, behind trusted proxies, the client before them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from reseal.settings.problems import InvalidValueError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
_LONGEST = 80
"""Longest text of an address, in characters."""
_SITE = 64
"""Prefix length of an IPv6 site: its owner controls all addresses with that prefix."""


def networks(value: object) -> tuple[str, ...]:
    """Read addresses and networks from a list or from comma-separated text. Raises ``InvalidValueError``."""
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise InvalidValueError("must be a list of networks", "write it like [10.0.0.0/8, '::1']")
    return tuple(dict.fromkeys(_network(entry) for entry in entries if str(entry).strip()))


class Proxies:
    """The proxies whose ``X-Forwarded-For`` is trusted."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self.trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = tuple(
            ipaddress.ip_network(each) for each in trusted
        )

    def caller(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """Return the last address that is not a trusted proxy's, or ``None`` if it cannot be parsed.

        ``peer`` is the connection's address, ``forwarded`` the values of ``X-Forwarded-For`` in order. Each proxy
        appends its own client, so everything to the left of the first untrusted address may be forged.
        """
        if not self.trusted:
            return normal(peer or "")
        address = _read(peer or "")
        hops = [hop for line in forwarded for hop in line.split(",")] if self._trusts(address) else []
        while hops and self._trusts(address):
            address = _read(hops.pop())
        return None if address is None else str(address)

    def trusts(self, peer: str | None) -> bool:
        """Return whether a connection comes from one of the proxies."""
        return self._trusts(_read(peer or "")) if self.trusted else False

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self.trusted)


def site(address: str | None) -> str:
    """Return the network that surely belongs to one party: an IPv4 address itself, a /64 of an IPv6 address."""
    if address is None or ":" not in address:
        return address or ""
    return str(ipaddress.ip_network((address, _SITE), strict=False))


def equivalent_forms(address: str) -> tuple[str, ...]:
    """Return the forms that a pattern may match: for IPv6 also the one with all eight groups, as Java writes it."""
    if ":" not in address:
        return (address,)
    groups = ipaddress.IPv6Address(address).exploded.split(":")
    return address, ":".join(f"{int(group, 16):x}" for group in groups)


def _network(entry: object) -> str:
    try:
        network = ipaddress.ip_network(str(entry).strip())
    except ValueError:
        raise InvalidValueError("must hold addresses and networks", "write it like [10.0.0.0/8, '::1']") from None
    if network.prefixlen == 0:
        raise InvalidValueError(
            "must not trust every address", "any client could then forge its address; name your proxies"
        )
    return str(network)


def _read(text: str) -> _Address | None:
    """Parse one address, dropping port, brackets and zone; an IPv4-mapped IPv6 address becomes IPv4."""
    return _parse(text.strip()) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def normal(text: str) -> str | None:
    """Return an address in normal form, or ``None`` if the text is not an address."""
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
