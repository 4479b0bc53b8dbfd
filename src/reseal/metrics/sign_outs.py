"""An estimate of users who were signed out although nobody had ended their session.

A refusal or a theft counts if the same user signs in again within ten minutes, with a browser of the same family from
the same network. A user who gave up is not seen, and a thief on the user's own device looks like one.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from reseal.core.errors import Refusal
from reseal.core.events import Event, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Device

WITHIN: Final = 600_000
"""Milliseconds between the refusal and the sign-in."""
MOST: Final = 10_000
"""Refusals that are remembered at once, the latest ones."""
EVIDENCE: Final = ("re_login_same_device", "theft_same_device", "ended_in_window")
_DELIBERATE: Final = frozenset(
    {
        Refusal.EXPIRED,
        Refusal.ABSOLUTE_TIMEOUT,
        Refusal.REVOKED,
        Refusal.SIGNED_OUT,
        Refusal.USER_REVOKED,
        Refusal.REPLACED,
        Refusal.LIMIT,
        Refusal.PROVIDER_LOGOUT,
    }
)
"""Somebody ended the session, or its time was over: signing in again is what is expected."""
_ENDED: Final = frozenset({Refusal.THEFT, Refusal.NOT_BEFORE, Refusal.FORKED})
_FAMILIES: Final = ("Edg", "OPR", "SamsungBrowser", "Firefox", "FxiOS", "CriOS", "Chrome", "Safari")
"""Each comes before those that it claims to be as well."""
_OTHER: Final = re.compile(r"[A-Za-z][\w.-]{0,39}", re.ASCII)


class SignOuts:
    """The refusals that a sign-in may still follow. No user id or address is kept, only hashes of this process."""

    def __init__(self) -> None:
        self._refused: dict[int, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self._refused)

    def remember(self, event: Event) -> None:
        """Remember a theft or a refusal that may have been a mistake."""
        evidence, place = _evidence(event), _place(event)
        if evidence is None or place is None:
            return
        self._refused.pop(place, None)
        self._refused[place] = event.at + WITHIN, evidence
        if len(self._refused) > MOST:
            del self._refused[next(iter(self._refused))]

    def match(self, event: Event) -> str | None:
        """Return the evidence if a sign-in follows a refusal. Each refusal counts once."""
        if not self._refused:
            return None
        for place, (until, _) in list(self._refused.items()):
            if until > event.at:
                break
            del self._refused[place]
        found = self._refused.pop(_place(event) or 0, None)
        return None if found is None else found[1]


def family_of(user_agent: str) -> str:
    """Return the browser's name, or the name with which another client's user agent begins."""
    known = next((name for name in _FAMILIES if name in user_agent), None)
    other = _OTHER.match(user_agent)
    return known or (other.group() if other else "")


def network_of(ip: str) -> str:
    """Return the /24 of an IPv4 address, the /48 of an IPv6 address; other text as it is."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return network_of(str(mapped)) if mapped else address.packed[:6].hex()
    return address.packed[:3].hex()


def _evidence(event: Event) -> str | None:
    if event.name is EventName.TOKEN_THEFT:
        return "theft_same_device"
    if event.reason in _DELIBERATE:
        return None
    return "ended_in_window" if event.reason in _ENDED else "re_login_same_device"


def _place(event: Event) -> int | None:
    """Hash user, browser family and network; ``None`` if one of them is unknown, or the user a visitor."""
    device: Device = event.device
    if event.user_id in {None, ANONYMOUS} or device.ip is None or device.user_agent is None:
        return None
    return hash((event.scope, event.user_id, family_of(device.user_agent), network_of(device.ip)))
