"""The configuration: one frozen value, from code, the environment or a YAML file."""

from __future__ import annotations

from reseal.core.secret import Secret
from reseal.settings.value import Settings

__all__ = ["Secret", "Settings"]
