"""The types of the public API, as a user's strict type checker sees them."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def test_the_package_says_that_it_is_typed() -> None:
    assert files("reseal").joinpath("py.typed").is_file()


def test_typed_use_of_the_public_api_passes_a_strict_check_and_mistakes_are_found() -> None:
    examples = sorted(str(path) for path in HERE.glob("*.py") if path != Path(__file__))
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--no-error-summary"]
    done = subprocess.run([*command, *examples], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)
