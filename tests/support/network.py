"""A network of a program's own, in which it may cut machines off from one another: addresses of the loopback interface."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

TABLE = "cut"


def begin() -> None:
    """Bring the interface up, in a program that ``name_spaces.run_alone`` has started with a network of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, capture_output=True, timeout=10)


@contextmanager
def cut(near: Sequence[str], far: Sequence[str]) -> Iterator[None]:
    """Drop every packet between two groups of addresses."""
    one, other = ("{ " + ", ".join(group) + " }" for group in (near, far))
    _nft(f"""
add table inet {TABLE}
add chain inet {TABLE} dropped {{ type filter hook input priority 0; policy accept; }}
add rule inet {TABLE} dropped ip saddr {one} ip daddr {other} drop
add rule inet {TABLE} dropped ip saddr {other} ip daddr {one} drop
""")
    try:
        yield
    finally:
        _nft(f"delete table inet {TABLE}")


def passes(source: str, target: tuple[str, int]) -> bool:
    """Return whether a connection can be opened."""
    try:
        with socket.create_connection(target, timeout=0.5, source_address=(source, 0)):
            return True
    except TimeoutError:
        return False


def _nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True, timeout=10)
