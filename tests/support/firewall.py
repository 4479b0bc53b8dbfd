"""Lines between processes of a network of their own, which nft cuts: packets are dropped, or refused.

Each client has an address of the server to itself, all of them on loopback. Packets are dropped where they arrive: of one
that is dropped where it is sent, the sender would learn.
"""

from __future__ import annotations

import re
import socket
import subprocess
from typing import Final, NamedTuple

WAYS: Final = {
    "the server hears nothing": ("ip daddr {address} tcp dport {port} counter drop",),
    "the client hears nothing": ("ip saddr {address} tcp sport {port} counter drop",),
    "nobody hears anything": (
        "ip daddr {address} tcp dport {port} counter drop",
        "ip saddr {address} tcp sport {port} counter drop",
    ),
    "reset": ("ip daddr {address} tcp dport {port} counter reject with tcp reset",),
}
"""What may happen to a line, and the rules of it."""
_PROOF_S: Final = 0.5
"""Seconds in which a connection would have been made."""


class Line(NamedTuple):
    """How a client reaches a server."""

    address: str
    port: int


class Firewall:
    """The rules of this network, which must be no other's."""

    def __init__(self) -> None:
        _run("ip", "link", "set", "lo", "up")

    def cut(self, way: str, *lines: Line) -> None:
        """Cut lines in one of the ``WAYS``. Raises ``RuntimeError`` if one of them still works."""
        rules = "\n".join(rule.format_map(line._asdict()) for line in lines for rule in WAYS[way])
        chain = f"chain cut {{\ntype filter hook input priority 0; policy accept;\n{rules}\n}}"
        _run("nft", "--file", "-", text=f"table inet cut {{\n{chain}\n}}\n")
        for line in lines:
            if _takes_connections(line):
                raise RuntimeError(f"the line to {line} was not cut")

    def heal(self) -> int:
        """Let everything pass again; return how many packets did not."""
        kept = re.findall(r"counter packets (\d+)", _run("nft", "list", "table", "inet", "cut"))
        _run("nft", "delete", "table", "inet", "cut")
        return sum(map(int, kept))


def _takes_connections(line: Line) -> bool:
    try:
        socket.create_connection(line, _PROOF_S).close()
    except OSError:
        return False
    return True


def _run(program: str, *arguments: str, text: str = "") -> str:
    command = [f"/usr/sbin/{program}", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout
