"""Programs that have mounts or a network of their own, which nobody else sees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final, Literal

import pytest

Kind = Literal["mount", "net"]
_WHY: Final = {
    "mount": "a file system cannot be mounted here: allow user name spaces, or run this as root",
    "net": "a network of its own cannot be made here: allow user name spaces, or run this as root",
}


def command_alone(kind: Kind) -> list[str]:
    """Return what to put before a command so that it runs in a name space of its own."""
    return ["unshare", f"--{kind}", *(() if os.getuid() == 0 else ("--user", "--map-current-user", "--keep-caps"))]


def is_allowed(kind: Kind) -> bool:
    return subprocess.run([*command_alone(kind), "true"], capture_output=True, check=False).returncode == 0


def run_alone(kind: Kind, module: str, *arguments: str, seconds: float = 240) -> str:
    """Run a module as a program in a name space of its own; return what it printed."""
    if not is_allowed(kind):
        pytest.fail(_WHY[kind])
    command = [*command_alone(kind), sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
