"""The published Python SDKs under test, and what each of them can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.sdk.pypi import environment


@dataclass(frozen=True)
class Sdk:
    """One version of one package, with frameworks of its time that run on the Python of today's tests."""

    package: str
    version: str
    cdi: str
    """The newest interface that it speaks."""
    pins: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    """Dependencies newer than the package's own metadata allows, without which it does not start."""
    frameworks: tuple[str, ...] = ("flask", "fastapi", "django")
    refresh_path: str = "/auth/session/refresh"
    signout_path: str | None = "/auth/signout"
    sends_headers: bool = False
    """Whether tokens may travel in headers instead of cookies (FDI 1.16)."""
    check_database: bool = False
    """Whether a single verification may be asked to look at the database (CDI 2.21)."""
    has_info: bool = True
    """Whether it can ask for everything about a session (CDI 2.8)."""
    live_host_first: bool = False
    """Whether its very first request needs the first of its hosts: it counts the request for the versions against
    the hosts that may be tried, so that of two it never reaches the second."""
    stumbles_over_theft: bool = False
    """Whether it fails with an error of its own when the service reports theft, before it revokes the session."""

    @property
    def name(self) -> str:
        return f"{self.package}-{self.version}"

    @property
    def main_framework(self) -> str:
        """The one for what does not depend on the framework."""
        return "fastapi" if "fastapi" in self.frameworks else "flask"

    def python(self) -> Path:
        return environment(self.name, (f"{self.package}=={self.version}", *self.pins), self.overrides)


SDKS = (
    Sdk(
        "supertokens-flask",
        "1.4.1",
        "2.3",
        ("Flask==2.0.3", "Werkzeug==2.0.3"),
        frameworks=("flask",),
        refresh_path="/session/refresh",
        signout_path=None,
        has_info=False,
        live_host_first=True,
    ),
    Sdk(
        "supertokens-python",
        "0.3.1",
        "2.10",
        ("Flask==2.0.1", "fastapi==0.68.1", "uvicorn==0.13.4", "Django==3.2.25"),
        # typing-extensions 3.10, which it pins, allows no pydantic that FastAPI can start with on Python 3.11
        overrides=("typing-extensions==4.12.2", "pydantic==1.10.19"),
        stumbles_over_theft=True,
    ),
    Sdk(
        "supertokens-python",
        "0.10.4",
        "2.15",
        ("Flask==2.0.3", "fastapi==0.78.0", "uvicorn==0.18.2", "Django==4.1.13"),
    ),
    Sdk(
        "supertokens-python",
        "0.12.9",
        "2.20",
        ("Flask==2.2.5", "fastapi==0.95.2", "uvicorn==0.18.2", "Django==4.1.13"),
        sends_headers=True,
    ),
    Sdk(
        "supertokens-python",
        "0.14.9",
        "2.21",
        ("Flask==2.3.3", "fastapi==0.100.1", "uvicorn==0.23.2", "Django==4.2.16"),
        sends_headers=True,
        check_database=True,
    ),
    Sdk(
        "supertokens-python",
        "0.18.11",
        "3.0",
        ("Flask==3.0.2", "fastapi==0.109.2", "uvicorn==0.27.1", "Django==4.2.16"),
        sends_headers=True,
        check_database=True,
    ),
    Sdk(
        "supertokens-python",
        "0.24.4",
        "3.0",
        ("Flask==3.0.3", "fastapi==0.115.0", "uvicorn==0.30.6", "Django==5.1.4"),
        sends_headers=True,
        check_database=True,
    ),
    Sdk(
        "supertokens-python",
        "0.27.0",
        "5.2",
        ("Flask==3.1.0", "fastapi==0.115.6", "uvicorn==0.34.0", "Django==5.1.4"),
        sends_headers=True,
        check_database=True,
        live_host_first=True,
    ),
    Sdk(
        "supertokens-python",
        "0.31.4",
        "5.4",
        ("Flask==3.1.1", "fastapi==0.115.12", "uvicorn==0.34.3", "Django==5.2.4"),
        sends_headers=True,
        check_database=True,
        live_host_first=True,
    ),
)
