"""Whether a user has signed in from a device before, judged by the sessions that the store still has.

Two clients count as the same device if their user agents are equal but for the digits, so that an update of the browser
makes no new device, and if their addresses are of one network (IPv4 /24, IPv6 /48). What is not kept of a client
(``client_details``) is not compared. That is a hint for a mail to the user, and no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from reseal.core import actor
from reseal.core.client_details import network_of
from reseal.core.model import Device, EndReason, SessionRecord
from reseal.devices import about

_BY_ITS_USER: Final = frozenset({None, EndReason.SIGNED_OUT, EndReason.REPLACED, EndReason.LIMIT})
"""How a session ends whose device was its user's: a limit ends it as age would. Others may have been somebody else's:
when that one comes again, it is to be reported again."""
_VERSIONS: Final = re.compile(r"[\d._]+", re.ASCII)


class Newness(StrEnum):
    """What is new about a device: the reason in the event ``new_device``."""

    FIRST = "first"
    """No other session of this user is known."""
    CLIENT = "client"
    """No session was held by such a client."""
    NETWORK = "network"
    """Such a client is known, but not in this network."""


def newness(device: Device, known: Iterable[SessionRecord]) -> Newness | None:
    """Say what is new about a device; ``None`` if it is known, or if nothing is known of it."""
    client, network = _traits(device)
    if client is None and network is None:
        return None
    own = [each for each in known if each.end_reason in _BY_ITS_USER and not actor.stored(each.jwt_payload)]
    seen = {_traits(each) for record in own for each in _devices(record)}
    if not seen:
        return Newness.FIRST
    networks = {where for agent, where in seen if agent == client}
    if not networks:
        return Newness.CLIENT
    return None if network is None or networks & {network, None} else Newness.NETWORK


def _traits(device: Device) -> tuple[str | None, str | None]:
    agent = device.user_agent
    return None if agent is None else _VERSIONS.sub("", agent), network_of(device.ip)


def _devices(record: SessionRecord) -> Iterable[Device]:
    first = about.read(record.about).device
    return (record.device,) if first is None else (record.device, first)
