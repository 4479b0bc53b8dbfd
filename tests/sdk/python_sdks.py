"""The published Python SDKs that are tried, and what each can do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.sdk.sdks import APPS, PACKAGES, Sdk, as_argument
from tests.support.packages import python_packages

PYTHON = "3.11"
"""The one version on which all of them run."""
_OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, kw_only=True)
class PythonSdk(Sdk):
    package: str = "supertokens-python"
    framework: str = "fastapi"
    newer_python: bool = False
    """Whether the packages of its lock file are there for newer versions of Python, too."""
    lifts: bool = False
    """Whether it starts only with newer dependencies than its metadata allows."""

    def __str__(self) -> str:
        return f"{self.package}-{self.version}-{self.framework}"

    def command(self, order: Mapping[str, Any]) -> Sequence[str]:
        app = "first_flask_app" if self.package == "supertokens-flask" else f"{self.framework}_app"
        python = str(python_packages(f"{self.package}-{self.version}", _python(), self.locks) / "bin" / "python")
        return [python, "-W", "ignore", str(APPS / "shift_clock.py"), str(APPS / f"{app}.py"), as_argument(order)]

    def environ(self, clock: Path) -> Mapping[str, str]:
        # the tests' own path must not reach into the environment of the SDK
        return {**super().environ(clock), "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}

    @property
    def locks(self) -> tuple[Path, ...]:
        """Lock files; what the later one lists is put in place of what the first one lists."""
        lock = PACKAGES / f"{self.package}-{self.version}.txt"
        return (lock, lock.with_name(f"{lock.stem}-lifted.txt")) if self.lifts else (lock,)


def _python() -> str:
    """Name the version of Python that the SDKs get: the one for all of them, or ours where there is no other."""
    return PYTHON if _OWN == PYTHON or shutil.which(f"python{PYTHON}") else _OWN


_JWT: dict[str, Any] = {"jwts": "option"}
_NEW: dict[str, Any] = {"header_mode": True, "check_database": "option", "jwts": "always"}
_TENANTS: dict[str, Any] = {"tenants": True, **_NEW}

_PACKAGES = (
    PythonSdk(
        package="supertokens-flask",
        version="1.4.1",
        cdi="2.3",
        framework="flask",
        refresh_path="/session/refresh",
        sign_out_path=None,
        session_info=False,
    ),
    PythonSdk(version="0.3.1", cdi="2.10", in_app=False, ends_stolen_sessions=False, lifts=True, **_JWT),
    PythonSdk(version="0.10.4", cdi="2.15", **_JWT),
    PythonSdk(version="0.12.9", cdi="2.20", header_mode=True, **_JWT),
    PythonSdk(version="0.14.9", cdi="2.21", **_NEW),
    PythonSdk(version="0.18.11", cdi="3.0", **_TENANTS),
    PythonSdk(version="0.24.4", cdi="3.0", **_TENANTS),
    PythonSdk(version="0.27.0", cdi="5.2", newer_python=True, **_TENANTS),
    PythonSdk(version="0.31.4", cdi="5.4", newer_python=True, **_TENANTS),
)


def _with_each_framework(sdk: PythonSdk) -> tuple[PythonSdk, ...]:
    if sdk.package == "supertokens-flask":
        return (sdk,)
    return (sdk, *(replace(sdk, framework=framework, is_main=False) for framework in ("flask", "django")))


PYTHON_SDKS = tuple(each for sdk in _PACKAGES for each in _with_each_framework(sdk))
BY_FRAMEWORK = tuple(
    tuple(each for each in PYTHON_SDKS if each.framework == framework) for framework in ("flask", "fastapi", "django")
)
RUNNING = tuple(each for each in PYTHON_SDKS if each.newer_python or _python() == PYTHON)
"""Those for which there is a Python. ``./run`` says which are left out where there is none."""
