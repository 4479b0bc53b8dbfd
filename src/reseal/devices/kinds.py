"""Kinds of devices, by the user agent: no database, only what browsers themselves say.

Nobody has to be honest here. A kind groups a user's own sessions; nothing is permitted or refused by it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class DeviceKind(StrEnum):
    """What a user would call the device."""

    COMPUTER = "computer"
    PHONE = "phone"
    TABLET = "tablet"
    OTHER = "other"
    """A program that is no browser, or nothing is known."""


_TABLET: Final = re.compile(r"iPad|Tablet|Silk/|Kindle|PlayBook|Android(?!.*Mobile)")
_PHONE: Final = re.compile(r"iPhone|iPod|Mobile|Windows Phone|Opera Mini")
_BROWSER: Final = re.compile(r"Mozilla/|Opera/")
_ROBOT: Final = re.compile(r"bot\b|crawler|spider|compatible;|HeadlessChrome", re.IGNORECASE)


def kind_of(user_agent: str | None) -> DeviceKind:
    """Return the kind of a device. A tablet that asks for the pages of computers counts as one."""
    if user_agent is None or not _BROWSER.search(user_agent) or _ROBOT.search(user_agent):
        return DeviceKind.OTHER
    if _TABLET.search(user_agent):
        return DeviceKind.TABLET
    return DeviceKind.PHONE if _PHONE.search(user_agent) else DeviceKind.COMPUTER
