"""What users see of their sessions: devices, their labels, and the reasons of ends."""

from reseal.devices.info import SessionInfo, ShownDevice
from reseal.devices.kinds import DeviceKind

__all__ = ["DeviceKind", "SessionInfo", "ShownDevice"]
