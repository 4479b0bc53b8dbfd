"""Verifying signatures with the published packages of Standard Webhooks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.packages import PATIENCE, npm_packages, python_packages

PACKAGES = Path(__file__).parent / "packages"
Peer = Callable[[list[str], Mapping[str, str], bytes], list[str]]
"""Verifies a message with each of these secrets; returns ``valid`` or an error for each."""


def pypi(secrets: list[str], headers: Mapping[str, str], body: bytes) -> list[str]:
    version = ".".join(map(str, sys.version_info[:2]))
    home = python_packages("standardwebhooks", version, [PACKAGES / "standardwebhooks.txt"])
    return _verdicts([home / "bin" / "python", PACKAGES / "verify.py"], PACKAGES, secrets, headers, body)


def npm(secrets: list[str], headers: Mapping[str, str], body: bytes) -> list[str]:
    home = npm_packages("standardwebhooks", PACKAGES)
    return _verdicts(["node", PACKAGES / "verify.mjs"], home, secrets, headers, body)


def _verdicts(
    command: list[str | Path], folder: Path, secrets: list[str], headers: Mapping[str, str], body: bytes
) -> list[str]:
    given = json.dumps({"secrets": secrets, "headers": dict(headers), "body": body.decode()})
    done = subprocess.run(
        command, cwd=folder, input=given, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True
    )
    verdicts: list[str] = json.loads(done.stdout)
    return verdicts
