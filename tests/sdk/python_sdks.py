"""The published Python SDKs that are tried, and what each can do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.sdk.cache import kept, run
from tests.sdk.sdks import APPS, Sdk, as_argument

PYTHON = "3.11"
"""The one version on which all of them run."""


@dataclass(frozen=True, kw_only=True)
class PythonSdk(Sdk):
    package: str = "supertokens-python"
    framework: str = "fastapi"
    pins: tuple[str, ...]
    """The frameworks of its time."""
    overrides: tuple[str, ...] = ()
    """Dependencies newer than the package's own metadata allows, without which it does not start."""

    def __str__(self) -> str:
        return f"{self.package}-{self.version}-{self.framework}"

    def command(self, order: Mapping[str, Any]) -> Sequence[str]:
        app = "first_flask_app" if self.package == "supertokens-flask" else f"{self.framework}_app"
        python = str(self._installed() / "bin" / "python")
        return [python, "-W", "ignore", str(APPS / "shift_clock.py"), str(APPS / f"{app}.py"), as_argument(order)]

    def environ(self, clock: Path) -> Mapping[str, str]:
        # the tests' own path must not reach into the environment of the SDK
        return {**super().environ(clock), "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}

    def _installed(self) -> Path:
        """Give a virtual environment that holds it."""
        requirements = (f"{self.package}=={self.version}", *self.pins)

        def install(home: Path) -> None:
            run([_interpreter(), "-m", "venv", home], home)
            pip = [
                home / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ]
            run([*pip, "--only-binary", ":all:", *requirements], home)
            if self.overrides:
                run([*pip, "--only-binary", ":all:", "--no-deps", *self.overrides], home)

        return kept(f"pypi/{self.package}-{self.version}", "\n".join((*requirements, *self.overrides)), install)


def _interpreter() -> str:
    if ".".join(map(str, sys.version_info[:2])) == PYTHON:
        return sys.executable
    found = shutil.which(f"python{PYTHON}")
    if found is None:
        raise FileNotFoundError(f"These packages need Python {PYTHON}, which is not on the path.")
    return found


_JWT = {"jwts": "option"}
_NEW = {"header_mode": True, "check_database": "option", "jwts": "always"}
_TENANTS = {"tenants": True, **_NEW}

_PACKAGES = (
    PythonSdk(
        package="supertokens-flask",
        version="1.4.1",
        cdi="2.3",
        pins=("Flask==2.0.3", "Werkzeug==2.0.3"),
        framework="flask",
        refresh_path="/session/refresh",
        sign_out_path=None,
        session_info=False,
    ),
    PythonSdk(
        version="0.3.1",
        cdi="2.10",
        pins=("Flask==2.0.1", "fastapi==0.68.1", "uvicorn==0.13.4", "Django==3.2.25"),
        # typing-extensions 3.10, which it pins, allows no pydantic that FastAPI can start with on Python 3.11
        overrides=("typing-extensions==4.12.2", "pydantic==1.10.19"),
        in_app=False,
        ends_stolen_sessions=False,
        **_JWT,
    ),
    PythonSdk(
        version="0.10.4",
        cdi="2.15",
        pins=("Flask==2.0.3", "fastapi==0.78.0", "uvicorn==0.18.2", "Django==4.1.13"),
        **_JWT,
    ),
    PythonSdk(
        version="0.12.9",
        cdi="2.20",
        pins=("Flask==2.2.5", "fastapi==0.95.2", "uvicorn==0.18.2", "Django==4.1.13"),
        header_mode=True,
        **_JWT,
    ),
    PythonSdk(
        version="0.14.9",
        cdi="2.21",
        pins=("Flask==2.3.3", "fastapi==0.100.1", "uvicorn==0.23.2", "Django==4.2.16"),
        **_NEW,
    ),
    PythonSdk(
        version="0.18.11",
        cdi="3.0",
        pins=("Flask==3.0.2", "fastapi==0.109.2", "uvicorn==0.27.1", "Django==4.2.16"),
        **_TENANTS,
    ),
    PythonSdk(
        version="0.24.4",
        cdi="3.0",
        pins=("Flask==3.0.3", "fastapi==0.115.0", "uvicorn==0.30.6", "Django==5.1.4"),
        **_TENANTS,
    ),
    PythonSdk(
        version="0.27.0",
        cdi="5.2",
        pins=("Flask==3.1.0", "fastapi==0.115.6", "uvicorn==0.34.0", "Django==5.1.4"),
        **_TENANTS,
    ),
    PythonSdk(
        version="0.31.4",
        cdi="5.4",
        pins=("Flask==3.1.1", "fastapi==0.115.12", "uvicorn==0.34.3", "Django==5.2.4"),
        **_TENANTS,
    ),
)


def _with_each_framework(sdk: PythonSdk) -> tuple[PythonSdk, ...]:
    if sdk.package == "supertokens-flask":
        return (sdk,)
    return (sdk, *(replace(sdk, framework=framework, is_main=False) for framework in ("flask", "django")))


PYTHON_SDKS = tuple(each for sdk in _PACKAGES for each in _with_each_framework(sdk))
