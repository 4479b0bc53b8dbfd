"""Ports for servers that tests stop and start again."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_CHANCE = random.SystemRandom()
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port(beside: int = 0) -> int:
    """Give a port that stays free while its server is away: the system takes none of these for a connection.

    The port that is so far above it stays free as well.
    """
    lowest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(1_000):
        port = _CHANCE.randrange(lowest // 2, lowest - beside)
        both = {port, port + beside}
        if not both & _given and all(map(_is_free, both)):
            _given.update(both)
            return port
    raise RuntimeError("there is no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
