"""A network of a program's own, in which it may cut machines off from one another: addresses of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

TABLE = "cut"


def run_in_its_own_network(module: str, *arguments: str) -> str:
    """Run a module as a program with a network of its own, which nobody else sees; return what it printed."""
    alone = ["unshare", "--net", *(() if os.getuid() == 0 else ("--user", "--map-root-user"))]
    may = subprocess.run([*alone, "nft", "add", "table", "inet", TABLE], capture_output=True, text=True, check=False)
    if may.returncode:
        pytest.fail(f"packets cannot be dropped here: allow name spaces, or run this as root ({may.stderr.strip()})")
    done = subprocess.run(
        [*alone, sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def begin() -> None:
    """Bring the interface up, in a program that was started by :func:`run_in_its_own_network`."""
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
